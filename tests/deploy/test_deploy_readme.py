"""The page about running the daemon says what is there."""

import re
from pathlib import Path

import pytest

from ftd import configfile
from tests.house import settings as page

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
README = (DEPLOY / "README.md").read_text()
# Their own pages list what lies in these.
ELSEWHERE = {"prometheus", "grafana"}


def test_the_table_of_settings_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--check"]) == 0
    assert capsys.readouterr().out == "deploy/README.md: fresh\n"


def test_a_stale_table_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "README.md"
    stale.write_text(README.replace("`--queue-limit N`", "`--queue-limit M`"))
    monkeypatch.setattr(page, "PAGE", stale)

    assert page.main(["--check"]) == 1
    assert capsys.readouterr().err == "deploy/README.md is stale: make fmt\n"
    assert page.main([]) == 0
    assert stale.read_text() == README


def test_the_configuration_on_the_page_has_no_faults() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)

    file = configfile.parse(text, Path("x"))

    assert file.faults == ()
    assert file.told.keys() == {"devices", "queue-limit", "metrics"}


def test_every_file_is_explained() -> None:
    files = {
        str(path.relative_to(DEPLOY))
        for path in DEPLOY.rglob("*")
        if path.is_file() and path.relative_to(DEPLOY).parts[0] not in ELSEWHERE
    }

    assert {name for name in files if f"]({name})" not in README} == {"README.md"}
