"""Files that are being fetched: whole or not at all, also where two go to one place at once."""

import hashlib

from ftctl.part import Part


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_two_that_go_to_one_place_at_once_are_each_whole(tmp_path):
    place = tmp_path / "model"

    with Part(place) as one, Part(place) as other:
        one.add(b"one, ")
        other.add(b"the other, ")
        one.add(b"whole")

        assert one.keep(digest(b"one, whole"))
        assert place.read_bytes() == b"one, whole"

        other.add(b"whole")
        assert other.keep(digest(b"the other, whole"))
        assert place.read_bytes() == b"the other, whole"

    assert list(tmp_path.iterdir()) == [place]


def test_one_that_is_given_up_leaves_alone_what_goes_to_the_same_place(tmp_path):
    place = tmp_path / "model"

    with Part(place) as kept:
        kept.add(b"whole")
        with Part(place) as given_up:
            given_up.add(b"half")
            assert not given_up.keep(digest(b"another"))

        assert kept.keep(digest(b"whole"))

    assert place.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [place]
