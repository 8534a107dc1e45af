"""Says values as Grafana's units do."""

import math

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_TIMES = ((604800.0, "week"), (86400.0, "day"), (3600.0, "hour"), (60.0, "min"), (1.0, "s"))


def say(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a value in words, such as `1.5 GiB` or `37 %`."""
    if math.isnan(value):
        return "–"
    match unit:
        case "bytes":
            return _bytes(value, decimals)
        case "percentunit":
            return f"{_plain(value * 100, decimals)} %"
        case "s":
            return _seconds(value, decimals)
        case "celsius":
            return f"{_plain(value, decimals)} °C"
        case "watt":
            return f"{_plain(value, decimals)} W"
        case "/s":
            return f"{_plain(value, decimals)} /s"
        case _:
            return _short(value, decimals)


def _bytes(value: float, decimals: int | None) -> str:
    power = min(int(math.log(value, 1024)), len(_BINARY) - 1) if value >= 1 else 0
    return f"{_plain(value / 1024**power, decimals)} {_BINARY[power]}"


def _seconds(value: float, decimals: int | None) -> str:
    if 0 < value < 1:
        return f"{_plain(value * 1000, decimals)} ms"
    size, word = next((pair for pair in _TIMES if value >= pair[0]), _TIMES[-1])
    return f"{_plain(value / size, decimals)} {word}"


def _short(value: float, decimals: int | None) -> str:
    if abs(value) >= 1e6:
        return f"{_plain(value / 1e6, decimals)} M"
    if abs(value) >= 1e4:
        return f"{_plain(value / 1e3, decimals)} K"
    return _plain(value, decimals)


def _plain(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
