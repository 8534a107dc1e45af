"""`ftd token`, as it is typed."""

from pathlib import Path

import pytest

from ftd import statedir
from ftd.__main__ import main
from ftd.config import load
from ftd.errors import BadConfig


def ftd(*words: str, state: Path) -> int:
    verb, *rest = words
    return main(["token", verb, "--state", str(state), *rest])


def test_a_token_is_made_shown_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ftd("create", "laptop", "--user", "alice", "--admin", state=tmp_path) == 0
    token = capsys.readouterr().out
    assert ftd("list", state=tmp_path) == 0
    listed = capsys.readouterr().out
    assert ftd("revoke", "laptop", state=tmp_path) == 0

    assert token.startswith("ftd_")
    assert token.strip() not in listed
    assert listed.splitlines()[1].split()[:3] == ["laptop", "alice", "admin"]
    assert capsys.readouterr().out == "token `laptop` is revoked\n"


def test_it_works_beside_a_daemon_that_holds_the_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ftd("create", "a", state=tmp_path) == 0
    with statedir.held(tmp_path):
        assert ftd("create", "b", state=tmp_path) == 0


def test_faults_of_a_name_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ftd("create", "no name", state=tmp_path) == 2
    assert ftd("revoke", "x", state=tmp_path) == 2

    assert capsys.readouterr().err.splitlines() == [
        "ftd: NAME: `no name` is no name; say 1 to 63 letters, digits and . _ @ -, a letter or "
        "digit first",
        "ftd: no live token has the name `x`; `ftd token list` shows all",
    ]


@pytest.mark.parametrize(
    ("flags", "faults"),
    [
        (
            {"listen": "0.0.0.0:7443"},
            [
                "--listen: other machines are heard by TLS alone; give --tls-cert too, "
                "or say --listen off",
                "--listen: other machines are heard by TLS alone; give --tls-key too, "
                "or say --listen off",
            ],
        ),
        ({"tls_key": "/k"}, ["--tls-key: nothing is served with it; give --listen HOST:PORT too"]),
        (
            {"listen": "7443"},
            ["--listen: `7443` is no address; say one like 0.0.0.0:7443, [::]:7443, or off"],
        ),
    ],
)
def test_a_door_without_what_it_needs_is_refused(flags: dict[str, str], faults: list[str]) -> None:
    with pytest.raises(BadConfig) as bad:
        load(flags, {})

    assert str(bad.value).splitlines() == faults


def test_a_door_may_be_shut_with_its_files_named() -> None:
    assert load({"listen": "off", "tls_cert": "/c", "tls_key": "/k"}, {}).listen is None
