"""The file of contexts: for its user alone, whole or not at all."""

import os
import stat

import pytest

from ftctl import address, contexts
from ftctl.contexts import Contexts
from ftctl.errors import BadInput

TOKEN = "ftd_" + "a" * 43
LAB = address.server("lab.example:7443", token=TOKEN, ca="/ca.pem")


@pytest.fixture
def path(tmp_path):
    return contexts.place({"XDG_CONFIG_HOME": str(tmp_path / "config")})


def test_what_is_written_is_read_again(path):
    kept = Contexts().having("lab", LAB).using("lab")

    contexts.write(path, kept)

    assert contexts.read(path) == kept


def test_the_file_is_for_its_user_alone(path):
    mask = os.umask(0)
    try:
        contexts.write(path, Contexts().having("lab", LAB))
    finally:
        os.umask(mask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["contexts.json"]


def test_it_is_where_configurations_are(monkeypatch):
    monkeypatch.setenv("HOME", "/home/user")

    assert str(contexts.place({})) == "/home/user/.config/finetuned/contexts.json"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_open_is_refused(path, mode):
    contexts.write(path, Contexts().having("lab", LAB))
    path.chmod(mode)

    with pytest.raises(BadInput) as bad:
        contexts.read(path)

    assert str(bad.value) == (
        f"{path} holds tokens and others may open it (mode {mode:04o}); close it with "
        f"`chmod 600 {path}`, and have tokens that others may have seen revoked"
    )


def test_a_file_of_another_user_is_refused(path, monkeypatch):
    contexts.write(path, Contexts().having("lab", LAB))
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)

    with pytest.raises(BadInput) as bad:
        contexts.read(path)

    assert str(bad.value) == (
        f"{path} holds tokens and belongs to user {uid}; take it over with "
        f"`chown {uid + 1} {path}`, or move it away"
    )


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 2, "contexts": {}, "current": "local"}', "\xff",
     '{"format": 1, "contexts": [], "current": "local"}'],
)  # fmt: skip
def test_a_file_of_another_kind_is_said(path, text):
    contexts.write(path, Contexts())
    path.write_text(text)

    with pytest.raises(BadInput) as bad:
        contexts.read(path)

    assert str(bad.value) == (
        f"{path} holds no contexts of this version of ftctl; move it away and add them again with "
        "`ftctl context add NAME --server HOST:PORT`"
    )


def test_a_file_that_cannot_be_read_or_written_is_said(path):
    path.mkdir(parents=True)
    with pytest.raises(BadInput) as bad:
        contexts.read(path)
    assert str(bad.value) == f"the contexts in {path} cannot be read: Is a directory"

    with pytest.raises(BadInput) as bad:
        contexts.write(path, Contexts())
    assert str(bad.value) == f"the contexts in {path} cannot be written: Is a directory"
    assert [each.name for each in path.parent.iterdir()] == ["contexts.json"]


def test_to_forget_the_current_one_is_to_be_local_again():
    kept = Contexts().having("lab", LAB).using("lab")

    assert kept.without("lab") == Contexts()


@pytest.mark.parametrize("name", ["local", "", "-x", "a b", "a/b", "x" * 64])
def test_names_that_cannot_be_are_said(name):
    with pytest.raises(BadInput) as bad:
        Contexts().having(name, LAB)

    assert str(bad.value) == (
        f"`{name}` cannot be the name of a context; say 1 to 63 letters, digits and . _ -, a "
        "letter or digit first, and not `local`, which is this machine's socket"
    )
