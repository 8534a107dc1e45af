"""A record counts when its newline and checksum are there."""

import zlib
from pathlib import Path

import pytest

from fttrain import events

NOTICE = events.Notice(message='quotes ", commas, "crc":" and ümlauts')


def line(record: events.Record = NOTICE) -> bytes:
    return events.encode(record, time=12.5)


def test_a_record_survives_the_way_through_a_line() -> None:
    score = events.Score(
        loss=0.1, accuracy=1.0, correct=2, count=2, accuracy_low=0.3, accuracy_high=1.0
    )
    epoch = events.EpochEnded(
        epoch=0, step=0, train=None, val=score, lrs=[0.1], images_per_second=0.0,
        memory_bytes=1, seconds=0.5, best=True,
    )  # fmt: skip

    assert events.decode(line(epoch)) == events.Entry(time=12.5, record=epoch)
    assert events.decode(line()) == events.Entry(time=12.5, record=NOTICE)


def test_an_evaluation_survives_the_way_through_a_line() -> None:
    score = events.Score(
        loss=0.1, accuracy=0.5, correct=1, count=2, accuracy_low=0.3, accuracy_high=0.9,
        balanced_accuracy=0.5, top5_accuracy=1.0, calibration_error=0.25,
    )  # fmt: skip
    ants = events.ClassScore(label="ants", count=2, predicted=1, correct=1)
    evaluated = events.Evaluated(split="test", epoch=3, score=score, classes=[ants])

    assert events.decode(line(evaluated)).record == evaluated


def test_a_journal_of_the_first_version_is_read() -> None:
    """Scores then had neither balanced accuracy nor what came with it."""
    body = (
        b'{"time":12.5,"kind":"epoch","epoch":1,"step":61,"train":null,"val":{"loss":0.1,'
        b'"accuracy":1.0,"correct":2,"count":2,"accuracy_low":0.3,"accuracy_high":1.0},'
        b'"lrs":[0.1],"images_per_second":9.5,"memory_bytes":1,"seconds":0.5,"best":true'
    )

    record = events.decode(body + b',"crc":"483fd78b"}\n').record

    assert isinstance(record, events.EpochEnded)
    assert (record.val.accuracy, record.val.balanced_accuracy) == (1.0, None)


@pytest.mark.parametrize("position", range(len(line())))
def test_any_flipped_bit_is_noticed(position: int) -> None:
    broken = bytearray(line())
    broken[position] ^= 1

    with pytest.raises(events.BadRecord):
        events.decode(bytes(broken))


@pytest.mark.parametrize("length", range(len(line())))
def test_a_torn_last_record_is_left_for_the_next_reading(tmp_path: Path, length: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(line() + line()[:length])

    entries, offset = events.read(path)

    assert len(entries) == 1
    assert offset == len(line())
    path.write_bytes(line() + line())
    assert events.read(path, offset=offset) == (entries, 2 * len(line()))


def test_what_stands_before_a_bad_line_is_returned_before_it_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(line() + b"nonsense\n" + line())

    entries, offset = events.read(path)

    assert (len(entries), offset) == (1, len(line()))
    with pytest.raises(events.BadRecord, match="not a whole record: b'nonsense"):
        events.read(path, offset=offset)


def test_a_record_of_another_format_is_noticed() -> None:
    head = b'{"time":1,"kind":"notice","message":"m","level":3'
    other = head + b',"crc":"%08x"}\n' % zlib.crc32(head)

    with pytest.raises(events.BadRecord, match=r"a record of another format: .* 'level'"):
        events.decode(other)


def test_reading_can_end_at_a_position(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(line() * 3)

    assert len(events.read(path, until=2 * len(line()))[0]) == 2


def test_a_missing_journal_has_no_records(tmp_path: Path) -> None:
    assert events.read(tmp_path / "none", offset=7) == ([], 7)
