"""The pictures in docs/pictures show what the command draws."""

from tests import pictures


def test_the_pictures_are_fresh(capsys):
    assert pictures.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_picture_is_named_with_what_makes_it_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pictures, "FOLDER", tmp_path / "pictures")

    assert pictures.main(["--check"]) == 1
    assert capsys.readouterr().err.startswith(
        "docs/pictures/top-80.svg is stale: python -m tests.pictures\n"
    )
    assert pictures.main([]) == 0
    assert pictures.main(["--check"]) == 0


def test_a_picture_loads_nothing_from_elsewhere():
    for svg in pictures.pictures().values():
        assert "url(http" not in svg
        assert svg.count("http") == svg.count("http://www.w3.org/2000/svg")
