"""Which daemon is meant, in what order it is looked for, and what is refused."""

from pathlib import Path

import pytest

from ftctl import address, choice, contexts
from ftctl.address import Server, Socket
from ftctl.choice import Said, find
from ftctl.contexts import Contexts
from ftctl.errors import BadInput

TOKEN = "ftd_" + "a" * 43
OTHER = "ftd_" + "b" * 43


@pytest.fixture
def home(tmp_path):
    """An environment with the contexts lab, which is current, and attic."""
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": "/state"}
    kept = Contexts()
    for name in ("lab", "attic"):
        server = address.server(f"{name}.example:7443", token=TOKEN, ca=f"/{name}.pem")
        kept = kept.having(name, server)
    contexts.write(contexts.place(environment), kept.using("lab"))
    return environment


def meant(environment, **said):
    return str(find(Said(**said), environment))


def test_what_is_said_comes_first_then_the_environment_the_context_and_the_socket(home):
    token = {"FTCTL_TOKEN": TOKEN}
    server = {**token, "FTCTL_SERVER": "env.example:1"}

    assert meant({**home, **server}, socket="/said") == "/said"
    assert meant({**home, **server}, server="said.example:1") == "said.example:1"
    assert meant({**home, **server}) == "env.example:1"
    assert meant({**home, **token, "FTCTL_SOCKET": "/env"}) == "/env"
    assert meant({**home, "FTCTL_CONTEXT": "attic"}) == "attic.example:7443"
    assert meant({**home, "FTD_SOCKET": "/daemon"}) == "/daemon"
    assert meant(home) == "lab.example:7443"
    assert meant({**home, "FTCTL_CONTEXT": "local"}) == "/state/finetuned/ftd.sock"
    assert meant({"XDG_STATE_HOME": "/state", "HOME": "/h"}) == "/state/finetuned/ftd.sock"


def test_the_token_of_the_environment_goes_to_no_context(home):
    found = find(Said(), {**home, "FTCTL_TOKEN": OTHER, "FTCTL_CA": "/other.pem"})

    assert isinstance(found, Server)
    assert (found.token, found.ca) == (TOKEN, Path("/lab.pem"))


def test_token_and_ca_that_are_said_go_before_all_others(home):
    environment = {**home, "FTCTL_SERVER": "a:1", "FTCTL_TOKEN": OTHER, "FTCTL_CA": "/env.pem"}
    for each in (environment, home):
        found = find(Said(token=TOKEN, ca="/said.pem"), each)
        assert isinstance(found, Server)
        assert (found.token, found.ca) == (TOKEN, Path("/said.pem"))


@pytest.mark.parametrize(
    ("said", "environment", "message"),
    [
        ({"socket": "/a", "server": "b:1"}, {},
         "a socket and a server were named, which are two daemons; name one of them"),
        ({}, {"FTCTL_SOCKET": "/a", "FTCTL_SERVER": "b:1"},
         "FTCTL_SOCKET and FTCTL_SERVER are set, which are two daemons; unset one of them"),
        ({"server": "lab:7443"}, {},
         "there is no token for lab:7443; put one into FTCTL_TOKEN, or keep it with `ftctl context "
         "add NAME --server lab:7443`; who runs the daemon makes one with `ftd token create NAME`"),
        ({"server": "lab:7443", "token": "two words"}, {},
         "what was given as the token for lab:7443 cannot be one; copy the one line that `ftd "
         "token create` printed"),
        ({"token": "two words"}, {"FTCTL_CONTEXT": "lab"},
         "what was given as the token for lab.example:7443 cannot be one; copy the one line that "
         "`ftd token create` printed"),
        ({"socket": "/a", "ca": "/ca.pem"}, {},
         "a token and --ca are for a server, and /a is a socket; name the server with --server or "
         "FTCTL_SERVER"),
        ({}, {"FTCTL_CONTEXT": "cellar"},
         "there is no context `cellar`; there are lab, attic, local, and `ftctl context add cellar "
         "--server HOST:PORT` makes one"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said(home, said, environment, message):
    with pytest.raises(BadInput) as bad:
        find(Said(**said), {**home, **environment})

    assert str(bad.value) == message


@pytest.mark.parametrize(
    "text", ["lab", "lab:", ":7443", "lab:0", "lab:65536", "lab:x", "https://lab:1", "a b:1",
             "::1:7443x", "[::g]:1", "-lab:1", f"{'a' * 64}:1", f"{'a.' * 130}a:1", ""],
)  # fmt: skip
def test_what_is_no_server_is_said(text):
    with pytest.raises(BadInput) as bad:
        address.server(text, token=TOKEN)

    assert str(bad.value) == (
        f"`{text}` is no server; say HOST:PORT, as lab.example:7443 or [2001:db8::1]:7443"
    )


@pytest.mark.parametrize("text", ["lab:7443", "lab.example.org:1", "10.0.0.1:65535", "[::1]:7443"])
def test_names_and_addresses_are_servers(text):
    assert str(address.server(text, token=f" {TOKEN}\n")) == text


def test_a_token_is_in_no_text_of_a_server():
    server = address.server("lab:7443", token=TOKEN)

    assert TOKEN not in f"{server!r} {server} {Said(token=TOKEN)!r}"


def test_a_socket_is_its_path():
    assert str(Socket(path=Path("/run/ftd.sock"))) == "/run/ftd.sock"


def test_every_verb_takes_its_client_where_options_are_heeded():
    cli = Path(choice.__file__).parent / "cli"
    makers = [path.name for path in cli.glob("*.py") if "AsyncClient(" in path.read_text()]

    assert makers == ["reach.py"]
