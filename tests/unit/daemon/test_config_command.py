"""`ftd init` and `ftd check-config`, as they are typed."""

import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ftd import settings, template
from ftd.__main__ import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home without a configuration, on a machine without one."""
    for setting in settings.SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
    monkeypatch.delenv("FTD_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(settings, "SYSTEM_FILE", tmp_path / "etc/ftd.toml")
    return tmp_path


def test_init_writes_where_serve_looks_and_check_config_finds_no_fault(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "config/finetuned/ftd.toml"

    assert main(["init"]) == 0
    assert capsys.readouterr().out == f"wrote {path}; `ftd check-config` checks it\n"
    assert path.read_text() == template.text()
    assert main(["check-config"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{path}: no faults"


def test_init_overwrites_only_what_it_may(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "mine.toml"
    path.write_text("queue_limit = 7\n")

    assert main(["init", "--path", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"ftd: {path} is there already; --force overwrites it, --path names another\n"
    )
    assert path.read_text() == "queue_limit = 7\n"
    assert main(["init", "--path", str(path), "--force"]) == 0
    assert path.read_text() == template.text()


def test_init_tells_where_no_file_can_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "file").touch()

    assert main(["init", "--path", str(home / "file/ftd.toml")]) == 2
    assert capsys.readouterr().err == (
        f"ftd: no configuration can be at {home}/file/ftd.toml: Not a directory\n"
    )


def test_check_config_shows_what_holds_and_who_said_it(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "x.toml"
    path.write_text('devices = "cpu:2"\n[metrics]\nlisten = "127.0.0.1:9400"\n')
    monkeypatch.setenv("FTD_QUEUE_LIMIT", "5")

    assert main(["check-config", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: no faults",
        f"  state                     {home}/state/finetuned  (default)",
        f"  socket                    {home}/run/finetuned/ftd.sock  (default)",
        "  log_format                auto  (default)",
        "  log_level                 info  (default)",
        "  reserve                   auto: a 32nd of the machine's, at most 768MiB  (default)",
        f"  devices                   cpu:2  ({path}:1)",
        "  queue_limit               5  (FTD_QUEUE_LIMIT)",
        "  queue_limit_per_user      as queue_limit  (default)",
        "  data_roots                anywhere for admins, nowhere for other users, who push theirs"
        "  (default)",
        "  dataset_limit             auto: 1TiB  (default)",
        "  cache_limit               auto: a tenth of the disk of --state  (default)",
        "  backup_every              1d  (default)",
        "  stall_after               60  (default)",
        "  listen                    off  (default)",
        "  tls_cert                  none  (default)",
        "  tls_key                   none  (default)",
        "  gc.age                    off  (default)",
        "  gc.keep                   all  (default)",
        "  gc.size                   auto: as much as they do  (default)",
        f"  metrics.listen            127.0.0.1:9400  ({path}:3)",
        "  metrics.grace             60  (default)",
        "  metrics.dcgm_mapping_dir  none  (default)",
    ]


def test_check_config_says_that_there_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config"]) == 0
    assert capsys.readouterr().out.startswith("no configuration file; the defaults hold\n")


def test_check_config_names_every_fault_of_a_broken_file(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "x.toml"
    path.write_text(
        f'state = "{path}"\nsocket = "{home}"\nlog_level = 3\nquue_limit = 4\n'
        f'[metrics]\nlisten = "host:1"\ndcgm_mapping_dir = "{path}/map"\n'
    )

    assert main(["check-config", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f'ftd: {path}:3: log_level: must be text, like "info", not `3`',
        f"ftd: {path}:4: unknown key `quue_limit`; did you mean `queue_limit`?",
        f"ftd: {path}:6: metrics.listen: `host:1` is not on the loopback, where alone metrics are "
        "served without TLS; say 127.0.0.1 or [::1], and let a proxy with TLS stand before it",
        f"ftd: {path}:1: state: {path} is a file, where a folder must be; remove it or give "
        "another path",
        f"ftd: {path}:2: socket: {home} is a folder, where a socket must be; remove it or give "
        "another path",
        f"ftd: {path}:7: metrics.dcgm_mapping_dir: {path} is a file, where a folder must be; "
        "remove it or give another path",
    ]


def test_check_config_takes_a_socket_of_a_daemon_for_right(home: Path) -> None:
    with TemporaryDirectory(prefix="ftd-") as short, socket.socket(socket.AF_UNIX) as own:
        own.bind(f"{short}/s")
        (home / "x.toml").write_text(f'socket = "{short}/s"\n')

        assert main(["check-config", str(home / "x.toml")]) == 0


def test_check_config_tells_what_is_in_the_sockets_place(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").touch()
    monkeypatch.setenv("FTD_SOCKET", str(home / "file"))

    assert main(["check-config"]) == 2
    assert capsys.readouterr().err == (
        f"ftd: FTD_SOCKET: {home}/file is a file, where a socket must be; remove it or give "
        "another path\n"
    )


def test_serve_does_not_start_with_a_broken_file(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "x.toml").write_text("devices = 'tpu'\n")

    assert main(["serve", "--config", str(home / "x.toml")]) == 2
    assert capsys.readouterr().err == (
        f"ftd: {home}/x.toml:1: devices: `tpu` names no devices; say auto, nvidia, cpu, cpu:2 or "
        "sim:4x16GiB\n"
    )
