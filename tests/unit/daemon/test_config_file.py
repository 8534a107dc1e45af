"""The file: what it says, which one is read, and every fault it can have, with its line."""

import stat
from pathlib import Path

import pytest

from ftd import configfile, settings, template
from ftd.config import load
from ftd.errors import BadConfig

HERE = Path("/etc/x.toml")


def faults(text: str) -> list[str]:
    """Return the faults of a text, without the file's name."""
    return [fault.removeprefix(f"{HERE}:") for fault in configfile.parse(text, HERE).faults]


def test_what_a_file_says_holds_where_neither_flag_nor_environment_says_otherwise() -> None:
    file = configfile.parse(
        'state = "/f"\nlog_level = "debug"\nqueue_limit = 5\nreserve = 0\n'
        '[metrics]\nlisten = "[::1]:9400"\ngrace = 2.5\ndcgm_mapping_dir = "~/map"\n',
        HERE,
    )

    config = load({"log_level": "error"}, {"FTD_QUEUE_LIMIT": "6"}, file)

    assert (config.state_dir, config.log_level, config.queue_limit) == (Path("/f"), "error", 6)
    assert (config.reserve, config.metrics_listen, config.metrics_grace) == (0, "[::1]:9400", 2.5)
    assert config.dcgm_mapping_dir == Path.home() / "map"
    assert config.file == HERE


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("log_levl = 'info'", "1: unknown key `log_levl`; did you mean `log_level`?"),
        (
            "\ncolour = 1",
            "2: unknown key `colour`; known here: state, socket, log_format, log_level, reserve, "
            "devices, queue_limit, "
            "queue_limit_per_user, data_roots, dataset_limit, cache_limit, backup_every, "
            "stall_after, listen, tls_cert, tls_key",
        ),
        ("[metrics]\nlissen = 'x'", "2: unknown key `lissen`; did you mean `listen`?"),
        (
            "[metrics]\nport = 1",
            "2: unknown key `port`; known here: listen, grace, dcgm_mapping_dir",
        ),
        ("grace = 1", "1: `grace` is misplaced; it belongs beneath [metrics]"),
        ("[metrics]\n\nstate = '/s'", "3: `state` is misplaced; it belongs above [metrics]"),
        ("[metric]\ngrace = 1", "1: unknown section [metric]; did you mean [metrics]?"),
        ("[tls]\ngrace = 1", "1: unknown section [tls]; known: [gc], [metrics]"),
        ("metrics = true", "1: `metrics` is a section; write [metrics] and its keys beneath"),
        (
            "state = 3",
            '1: state: must be text, like "/var/lib/finetuned", not `3`',
        ),
        (
            "[state]\nx = 1",
            '1: state: must be text, like "/var/lib/finetuned", not a section',
        ),
        ("log_level = ['info']", '1: log_level: must be text, like "info", not a list'),
        ("devices = 1979-05-27", '1: devices: must be text, like "auto", not a date or a time'),
        ("queue_limit = '5'", "1: queue_limit: must be a whole number, like 1000, not text"),
        ("queue_limit = 1.5", "1: queue_limit: must be a whole number, like 1000, not `1.5`"),
        ("queue_limit = true", "1: queue_limit: must be a whole number, like 1000, not `true`"),
        ("metrics.grace = 'x'", "1: metrics.grace: must be a number, like 60, not text"),
        (
            "reserve = 1.5",
            '1: reserve: must be text or a whole number, like "512MiB", not `1.5`',
        ),
        ("socket = ''", "1: socket: is empty; leave it out to have the default"),
        ("state = 'jobs'", "1: state: `jobs` is relative; begin it with / or ~/"),
        ("queue_limit = 0", "1: queue_limit: `0` is no whole number from 1 to 9999999"),
        (
            "metrics = {grace = -1}",
            "1: metrics.grace: `-1` is no number of seconds from 0 to 86400",
        ),
        (
            "\n[metrics]\n'grace' = nan",
            "3: metrics.grace: `nan` is no number of seconds from 0 to 86400",
        ),
        ("devices = sim", "1: column 11: is not TOML: invalid value"),
        ("state = '/a'\nstate = '/b'", "2: this key is given twice"),
        ("[metrics]\n[metrics]", "2: [metrics] is declared twice"),
        (
            "[metrics\ngrace = 'x'",
            "1: column 9: is not TOML: expected ']' at the end of a table declaration",
        ),
        ('\nstate = """', "2: is not TOML: unterminated string"),
    ],
)
def test_each_fault_is_named_with_its_line(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_all_faults_are_named_at_once_and_in_order() -> None:
    text = (
        'log_level = "loud"\n'
        "devices = sim:4\n"
        'queue_limit = "many"\n'
        "grace = 60\n"
        "reserve =\n"
        "[metrics]\n"
        'listen = "0.0.0.0:9400"\n'
        "grase = 1\n"
    )

    assert faults(text) == [
        "1: log_level: `loud` is not one of debug, info, warning, error",
        "2: column 11: is not TOML: invalid value",
        "3: queue_limit: must be a whole number, like 1000, not text",
        "4: `grace` is misplaced; it belongs beneath [metrics]",
        "5: column 10: is not TOML: invalid value",
        "7: metrics.listen: `0.0.0.0:9400` is not on the loopback, where alone metrics are served "
        "without TLS; say 127.0.0.1 or [::1], and let a proxy with TLS stand before it",
        "8: unknown key `grase`; did you mean `grace`?",
    ]


def test_a_file_that_is_no_toml_at_all_is_not_told_line_by_line_for_ever() -> None:
    assert len(faults("what is this\n" * 1000)) == configfile.MOST_SYNTAX_FAULTS


def test_faults_of_file_and_environment_come_together() -> None:
    file = configfile.parse("log_level = 'loud'", HERE)

    with pytest.raises(BadConfig) as bad:
        load({"log_format": "xml"}, {"FTD_DEVICES": "tpu"}, file)

    assert str(bad.value).splitlines() == [
        "/etc/x.toml:1: log_level: `loud` is not one of debug, info, warning, error",
        "--log-format: `xml` is not one of auto, json, text",
        "FTD_DEVICES: `tpu` names no devices; say auto, nvidia, cpu, cpu:2 or sim:4x16GiB",
    ]


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the system's file is for this test."""
    place = tmp_path / "etc/ftd.toml"
    monkeypatch.setattr(settings, "SYSTEM_FILE", place)
    return place


def test_the_file_is_the_named_one_else_the_users_else_the_systems(
    tmp_path: Path, system: Path
) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "home")}
    users = tmp_path / "home/finetuned/ftd.toml"

    def found(flag: str | None, **more: str) -> Path | None:
        file = configfile.find(flag, {**environment, **more})
        return file.path if file else None

    assert found(None) is None
    for place in (system, users, tmp_path / "flag", tmp_path / "variable"):
        template.write(place, force=False)
        assert found(None) in (system, users)
    assert found(None) == users
    assert found(None, FTD_CONFIG=str(tmp_path / "variable")) == tmp_path / "variable"
    assert found(str(tmp_path / "flag"), FTD_CONFIG="/nowhere") == tmp_path / "flag"


def test_without_xdg_the_users_file_is_in_the_home() -> None:
    assert settings.user_file({}) == Path.home() / ".config/finetuned/ftd.toml"


def test_a_named_file_that_is_not_there_is_told_with_the_command_that_writes_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(BadConfig) as bad:
        configfile.find(str(tmp_path / "x"), {})

    assert str(bad.value) == (
        f"there is no configuration at {tmp_path}/x; `ftd init --path {tmp_path}/x` writes one"
    )


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as bad:
        configfile.read(tmp_path)

    assert str(bad.value) == f"the configuration {tmp_path} cannot be read: Is a directory"


def test_a_file_that_is_no_text_is_told_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"state = '/s'\nsocket = '\xff'\n")

    with pytest.raises(BadConfig) as bad:
        configfile.read(path)

    assert str(bad.value) == (
        f"{path}:2: is not UTF-8 text; save it as UTF-8, or write a new one by `ftd init`"
    )


def test_the_template_says_every_key_and_is_right_as_it_is() -> None:
    file = configfile.parse(template.text(), HERE)

    assert (file.faults, file.told) == ((), {})
    for setting in settings.SETTINGS:
        assert f"# {setting.key.rpartition('.')[2]} = {setting.example}\n" in template.text()


def test_the_template_is_right_when_every_key_is_taken() -> None:
    taken = [
        line.removeprefix("# ") if " = " in line else line for line in template.text().splitlines()
    ]

    file = configfile.parse("\n".join(taken), HERE)

    assert file.faults == ()
    assert file.told.keys() == {setting.name for setting in settings.SETTINGS}


def test_the_template_fits_a_screen() -> None:
    assert max(map(len, template.text().splitlines())) <= 100


def test_overwriting_leaves_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "ftd.toml"
    path.write_text("mine")

    template.write(path, force=True)

    assert path.read_text() == template.text()
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_ISREG(path.stat().st_mode)
