"""Flags, environment and defaults; and the command line around them."""

import subprocess
import sys
from pathlib import Path

import pytest

from ftd import __main__ as command
from ftd.config import Config, load
from ftd.errors import BadConfig

HOME = {"XDG_STATE_HOME": "/s"}


def test_nothing_said_gives_the_defaults() -> None:
    assert load({}, {}) == Config(
        state_dir=Path.home() / ".local/state/finetuned",
        socket=Path.home() / ".local/state/finetuned/ftd.sock",
        log_format="auto",
        log_level="info",
        reserve=None,
    )


@pytest.mark.parametrize(
    ("environment", "socket"),
    [
        ({"XDG_RUNTIME_DIR": "/r", **HOME}, "/r/finetuned/ftd.sock"),
        (HOME, "/s/finetuned/ftd.sock"),
        ({"XDG_RUNTIME_DIR": "", **HOME}, "/s/finetuned/ftd.sock"),
        ({"FTD_SOCKET": "/x", "XDG_RUNTIME_DIR": "/r"}, "/x"),
    ],
)
def test_where_the_socket_is(environment: dict[str, str], socket: str) -> None:
    assert load({}, environment).socket == Path(socket)


def test_a_flag_goes_before_the_environment_and_that_before_the_default() -> None:
    environment = {"FTD_STATE": "/e", "FTD_LOG_LEVEL": "DEBUG", **HOME}

    config = load({"state": "/f", "socket": None, "log_format": "json"}, environment)

    assert config.state_dir == Path("/f")
    assert (config.log_format, config.log_level) == ("json", "debug")
    assert load({}, environment).state_dir == Path("/e")


def test_paths_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert load({"state": "st", "socket": "~/s"}, {}).state_dir == tmp_path / "st"
    assert load({"socket": "~/s"}, {}).socket == Path.home() / "s"


def test_all_faults_are_told_at_once() -> None:
    long = "/" + "x" * 120

    with pytest.raises(BadConfig) as bad:
        load({"log_format": "xml", "log_level": "loud", "socket": long, "reserve": "much"}, {})

    assert str(bad.value).splitlines() == [
        f"--socket: {long} has 121 bytes, a unix socket's path at most 107; give a shorter one",
        "--log-format: `xml` is not one of auto, json, text",
        "--log-level: `loud` is not one of debug, info, warning, error",
        "--reserve: `much` is no size; say one like 512MiB, 0 for none, or auto",
    ]


@pytest.mark.parametrize(("said", "size"), [("512MiB", 512 << 20), ("0", 0), ("auto", None)])
def test_the_reserve_is_a_size(said: str, size: int | None) -> None:
    assert load({"reserve": said}, {}).reserve == size
    assert load({}, {"FTD_RESERVE": said}).reserve == size


def test_help_loads_nothing_that_is_slow_to_load() -> None:
    code = (
        "import sys; from ftd.__main__ import main\n"
        "try: main(['serve', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'grpc', 'sqlalchemy', 'pydantic', 'structlog', 'torch', 'alembic', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"
    for word in ("--state", "--socket", "--log-format", "--log-level", "FTD_STATE"):
        assert word in done.stdout


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ftd ")


def test_no_command_is_answered_with_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 2
    assert "serve" in capsys.readouterr().err


def test_without_the_daemon_extra_the_command_to_install_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        command.importlib.util, "find_spec", lambda name: None if name == "torch" else object()
    )

    assert command.main(["serve"]) == 3
    assert capsys.readouterr().err == (
        "ftd: not installed: torch; run: pip install 'finetuned[daemon]'\n"
    )


def test_a_bad_configuration_ends_the_command_with_each_fault(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["serve", "--log-level", "loud", "--log-format", "xml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "ftd: --log-format: `xml` is not one of auto, json, text",
        "ftd: --log-level: `loud` is not one of debug, info, warning, error",
    ]
