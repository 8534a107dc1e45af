"""Where one document of a job file ends and the next begins."""

import pytest

from ftctl.cli.jobfiles import documents


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name: a\n", ["name: a\n"]),
        ("---\nname: a\n", ["---\nname: a\n"]),
        ("name: a\n---\nname: b\n", ["name: a\n", "\n---\nname: b\n"]),
        ("name: a\n--- {name: b}\n", ["name: a\n", "\n--- {name: b}\n"]),
        ("name: a\n...\nname: b\n", ["name: a\n...", "\n\nname: b\n"]),
        (
            "%YAML 1.2\n---\nname: a\n---\nname: b",
            ["%YAML 1.2\n---\nname: a\n", "\n\n\n---\nname: b"],
        ),
        ("a: --- x\nb: |\n  ---\n  c\n", ["a: --- x\nb: |\n  ---\n  c\n"]),
        ("---x: 1\n", ["---x: 1\n"]),
        ("# one\n---\nname: a\n---\n# nothing\n---\n", ["\n---\nname: a\n"]),
        ("", [""]),
        ("# only words\n", ["# only words\n"]),
        ("---\n---\n", ["---\n---\n"]),
        ("name: a\r\n---\r\nname: b\r\n", ["name: a\r\n", "\n---\r\nname: b\r\n"]),
    ],
)
def test_documents_keep_their_lines(text, parts):
    assert documents(text) == parts
