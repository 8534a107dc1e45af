"""What a value may be, and what is said of one that may not."""

from datetime import timedelta
from pathlib import Path

import pytest

from ftd.config import load
from ftd.errors import BadConfig
from ftd.settings import SETTINGS


def fault(**flags: str) -> str:
    with pytest.raises(BadConfig) as bad:
        load(flags, {})
    return str(bad.value)


@pytest.mark.parametrize(
    "spec", ["auto", "nvidia", "cpu", "cpu:2", "sim:1x512MiB", "sim:4x16GiB", "sim:1024x1TiB"]
)
def test_devices_are_taken_as_they_are_written(spec: str) -> None:
    assert load({"devices": spec}, {}).devices == spec


@pytest.mark.parametrize("spec", ["gpu", "cpu:0", "cpu:", "sim", "sim:4", "sim:0x1GiB", "sim:4x16"])
def test_what_names_no_devices_is_refused(spec: str) -> None:
    assert fault(devices=spec) == (
        f"--devices: `{spec}` names no devices; say auto, nvidia, cpu, cpu:2 or sim:4x16GiB"
    )


@pytest.mark.parametrize("text", ["127.0.0.1:9400", "127.1.2.3:1", "[::1]:65535"])
def test_metrics_are_served_on_the_loopback(text: str) -> None:
    assert load({"metrics": text}, {}).metrics_listen == text


def test_metrics_are_off_unless_set_and_can_be_set_off_again() -> None:
    assert load({}, {}).metrics_listen is None
    assert load({"metrics": "off"}, {"FTD_METRICS": "127.0.0.1:9400"}).metrics_listen is None


@pytest.mark.parametrize(
    "text", ["0.0.0.0:9400", "[::]:9400", "10.0.0.1:9400", "localhost:9400", "example.org:80"]
)
def test_metrics_beyond_the_loopback_are_refused(text: str) -> None:
    assert fault(metrics=text) == (
        f"--metrics: `{text}` is not on the loopback, where alone metrics are served without TLS; "
        "say 127.0.0.1 or [::1], and let a proxy with TLS stand before it"
    )


@pytest.mark.parametrize("text", ["9400", "127.0.0.1", "127.0.0.1:0", "[::1]:65536", "::1:9400"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert fault(metrics=text) == (
        f"--metrics: `{text}` is no address; say one like 127.0.0.1:9400, [::1]:9400, or off"
    )


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "12345678"])
def test_the_queues_limit_is_a_whole_number(text: str) -> None:
    assert load({"queue_limit": "17"}, {}).queue_limit == 17
    assert fault(queue_limit=text) == (
        f"--queue-limit: `{text}` is no whole number from 1 to 9999999"
    )


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "soon", "86401"])
def test_the_grace_is_a_number_of_seconds(text: str) -> None:
    assert load({"metrics_grace": "2.5"}, {}).metrics_grace == 2.5
    assert fault(metrics_grace=text) == (
        f"--metrics-grace: `{text}` is no number of seconds from 0 to 86400"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1k", 1024), ("1 KiB", 1024), ("1kb", 1000), ("1.5GiB", 3 << 29), ("7B", 7)],
)
def test_a_size_has_a_unit(text: str, size: int) -> None:
    assert load({"reserve": text}, {}).reserve == size


@pytest.mark.parametrize("text", ["-1", "1 PB", "GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    assert fault(reserve=text) == (
        f"--reserve: `{text.lower()}` is no size; say one like 512MiB, 0 for none, or auto"
    )


def test_the_folder_for_the_exporter_is_absolute() -> None:
    assert load({}, {}).dcgm_mapping_dir is None
    assert load({"dcgm_mapping_dir": "~/map"}, {}).dcgm_mapping_dir == Path.home() / "map"


def test_a_path_with_a_zero_byte_is_refused() -> None:
    assert fault(state="/a\0b") == "--state: a path holds no zero byte"


def test_a_fault_of_the_environment_is_named_by_its_variable_even_where_a_flag_overrules_it() -> (
    None
):
    with pytest.raises(BadConfig) as bad:
        load({"log_level": "info"}, {"FTD_LOG_LEVEL": "loud"})

    assert str(bad.value) == ("FTD_LOG_LEVEL: `loud` is not one of debug, info, warning, error")


def test_every_setting_has_a_field_that_its_variable_fills() -> None:
    for setting in SETTINGS:
        with pytest.raises(BadConfig, match=f"^{setting.variable}: "):
            load({}, {setting.variable: "\0"})


@pytest.mark.parametrize(
    ("text", "value"),
    [("90min", timedelta(minutes=90)), ("12h", timedelta(hours=12)), ("30d", timedelta(days=30))],
)
def test_times_have_units_and_can_be_set_off(text: str, value: timedelta) -> None:
    assert load({"gc_age": text}, {}).gc_age == value
    assert load({"backup_every": "off"}, {}).backup_every is None


@pytest.mark.parametrize("text", ["30", "0d", "1.5h", "3 weeks", "-1d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    assert fault(gc_age=text) == (
        f"--gc-age: `{text}` is no time; say one like 90min, 12h or 30d, or off"
    )
