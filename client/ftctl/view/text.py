"""Numbers, times and names as people read them. Pure functions."""

from collections.abc import Iterator
from datetime import timedelta

from ftctl.scores import Score

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")


def clean(text: str) -> str:
    """Return a text on one line without control codes: what comes from a log may hold any."""
    return " ".join(text.translate(_CONTROLS).split())


def clean_line(text: str) -> str:
    """Return a line of a log without control codes, its spaces kept."""
    return text.expandtabs(4).translate(_CONTROLS).rstrip()


def count(number: int) -> str:
    """Return 1525 as `1,525`."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    plural = f"{noun}es" if noun.endswith("ss") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def percent(share: float) -> str:
    """Return 0.961 as `96.1`."""
    return f"{100 * share:.1f}"


def interval(score: Score) -> str:
    """Return the Wilson interval of an accuracy in percent, such as `91.7–98.2`."""
    return f"{percent(score.accuracy_low)}–{percent(score.accuracy_high)}"


def accuracy(score: Score) -> str:
    """Return an accuracy with its interval, such as `96.1 % (91.7–98.2)`."""
    return f"{percent(score.accuracy)} % ({interval(score)})"


def measures(score: Score) -> Iterator[str]:
    """Yield what else was measured, such as `balanced 96.0 %`."""
    if score.balanced_accuracy is not None:
        yield f"balanced {percent(score.balanced_accuracy)} %"
    if score.top5_accuracy is not None:
        yield f"top 5 {percent(score.top5_accuracy)} %"
    if score.calibration_error is not None:
        yield f"calibration error {percent(score.calibration_error)} %"


def loss(value: float) -> str:
    """Return a loss in at most six characters, such as `0.0549`, `12.35` and `3.9e19`."""
    for limit, digits in ((9.99995, 4), (99.995, 2), (99999.5, 0)):
        if abs(value) < limit:
            return f"{value:.{digits}f}"
    return _scientific(value)


def rate(per_second: float) -> str:
    """Return a throughput in at most five characters, such as `7.4`, `1,204` and `12k`."""
    if per_second >= 9999.5:
        return f"{per_second / 1000:,.0f}k"
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"


def learning_rate(value: float) -> str:
    """Return 0.00025 as `2.5e-4`: at most six characters."""
    return _scientific(value)


def _scientific(value: float) -> str:
    mantissa, *exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent[0])}" if exponent else mantissa


def number(value: float) -> str:
    """Return a setting as one would type it."""
    return f"{value:g}"


def size(number_of_bytes: int) -> str:
    """Return 431,000,000 as `431 MB`."""
    value, unit = float(number_of_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "B" else f"{value:.0f} {unit}"


def memory(number_of_bytes: int) -> str:
    """Return 11,811,160,064 as `11 GiB`: the units in which memory is sold and asked for."""
    value, unit = _in_unit(number_of_bytes, number_of_bytes)
    return f"{value} {unit}"


def memory_of(used: int, total: int) -> str:
    """Return a part of a memory and all of it in one unit, such as `9.1 / 80 GiB`."""
    value, unit = _in_unit(used, total)
    return f"{value} / {_in_unit(total, total)[0]} {unit}"


def _in_unit(number_of_bytes: int, largest: int) -> tuple[str, str]:
    """Return a number in the unit that suits the largest of its kind."""
    scale, unit = 1, "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if largest < 999.5 * scale:
            break
        scale, unit = scale * 1024, larger
    value = number_of_bytes / scale
    whole = not value or value >= 9.95 or unit == "B"
    return f"{value:.{0 if whole else 1}f}".removesuffix(".0"), unit


def clock(seconds: float) -> str:
    """Return 62 as `1:02`, 3723 as `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def left(seconds: float) -> str:
    """Return the time to an end in at most six characters: `59:59`, `2h05m`, `12 d`."""
    if seconds < 3599.5:
        return clock(seconds)
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h{minutes:02}m" if hours < 100 else f"{min(hours // 24, 9999)} d"


def seconds(value: float) -> str:
    """Return the time of an epoch: `0.41s`, `4.1s`, `41s`, `4:10`."""
    if value >= 99.5:
        return clock(value)
    return f"{value:.{2 if value < 0.995 else 1 if value < 9.95 else 0}f}s"


def duration(span: timedelta) -> str:
    """Return a time span by its two largest units, such as `3 min 12 s`."""
    total = span.total_seconds()
    if total < 9.95:
        return f"{max(total, 0):.1f} s"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(index for index, (value, _) in enumerate(units) if value)
    return " ".join(f"{value} {unit}" for value, unit in units[first : first + 2] if value)


def age(span: timedelta) -> str:
    """Return how long ago something was by its largest unit, such as `3 h`."""
    total = max(span.total_seconds(), 0)
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if total >= length:
            return f"{total // length:.0f} {unit}"
    return f"{total:.0f} s"


def short_id(job_id: str) -> str:
    """Return the part of an id that people read and type."""
    return job_id[:8]
