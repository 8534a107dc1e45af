"""Every way in which a server is no daemon that can be trusted has its words and its remedy."""

import contextlib
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest

from ftctl import address, channel, door
from ftctl.errors import BadInput, DaemonUnreachable
from tests.fakes.doors import certificate

TOKEN = "ftd_" + "a" * 43
PORT = "is this the port of `ftd serve --listen`?"


@contextlib.contextmanager
def listening(answer):
    """Answer every connection to a port inside the block."""
    with socket.create_server(("localhost", 0)) as listener:

        def serve():
            # Shut down, accept fails.
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def listening_tls(pair, *protocols):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.set_alpn_protocols(protocols)

    def answer(connection):
        with context.wrap_socket(connection, server_side=True) as line:
            line.recv(1)

    with listening(answer) as port:
        yield port


def refusal(port, host="localhost", **fields):
    """Return what is told of a server, after its address."""
    server = address.server(f"{host}:{port}", token=TOKEN, **fields)
    with pytest.raises(DaemonUnreachable) as told:
        door.shake(server)
    assert TOKEN not in str(told.value)
    start = f"no daemon can be reached at {server} "
    assert str(told.value).startswith(start)
    return str(told.value).removeprefix(start)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"))


def test_a_daemon_is_met_by_tls_and_its_certificate_read(pair):
    with listening_tls(pair, "h2") as port:
        met = door.shake(address.server(f"localhost:{port}", token=TOKEN, ca=pair[0]))

    assert met.protocol == "TLSv1.3"
    assert timedelta(days=2) < met.expire_time - datetime.now(UTC) <= timedelta(days=3)


def test_a_port_where_nothing_listens():
    with socket.create_server(("localhost", 0)) as gone:
        port = gone.getsockname()[1]

    assert refusal(port) == (
        "(nothing listens there); `ftd serve --listen HOST:PORT --tls-cert FILE --tls-key FILE` on "
        "that machine does; or name another with --server or FTCTL_SERVER"
    )


def test_a_name_that_nobody_knows():
    assert refusal(7443, "nowhere.invalid") == (
        "(no machine of that name is known); check it: it is from --server, FTCTL_SERVER or the "
        "context"
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), "(it did not accept within 5 s); is it on, and does its firewall let port "
                         "7443 through?"),
        (OSError(113, "No route to host"),
         "(no route to host); is this machine in the right network?"),
    ],
)  # fmt: skip
def test_a_machine_that_is_not_reached(error, told, monkeypatch):
    def refuse(*_):
        raise error

    monkeypatch.setattr(socket, "create_connection", refuse)

    assert refusal(7443) == told


def test_a_certificate_that_is_not_trusted(pair, tmp_path):
    other, _ = certificate(tmp_path)
    remedy = "; name the file of the CA that signed it with --ca FILE or FTCTL_CA"
    with listening_tls(pair, "h2") as port:
        assert refusal(port) == f"(its certificate is not trusted){remedy}"
        assert refusal(port, ca=other) == f"(its certificate is not trusted by {other}){remedy}"


def test_a_certificate_of_another_name(pair, tmp_path):
    other = certificate(tmp_path, name="lab.example")
    with listening_tls(other, "h2") as port:
        assert refusal(port, ca=other[0]) == (
            "(its certificate is not one of localhost); say the name that stands in it, or have "
            "one made for localhost"
        )
    with listening_tls(pair, "h2") as port:
        assert refusal(port, "127.0.0.1", ca=pair[0]) == (
            "(its certificate is not one of 127.0.0.1); say the name that stands in it, or have "
            "one made for 127.0.0.1"
        )


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (("20200101", "20210101"),
         "(its certificate has expired); who runs the daemon has to renew it"),
        (("20900101", "20910101"),
         "(its certificate is not valid yet); is the clock of this machine right?"),
    ],
)  # fmt: skip
def test_a_certificate_of_another_time(days, told, tmp_path):
    pair = certificate(tmp_path, days=days)
    with listening_tls(pair, "h2") as port:
        assert refusal(port, ca=pair[0]) == told


def test_a_port_that_speaks_no_tls():
    def answer(connection):
        connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")

    with listening(answer) as port:
        assert refusal(port) == f"(it speaks no TLS that we do); {PORT}"
    with listening(lambda connection: None) as port:
        assert refusal(port) == f"(it speaks no TLS that we do); {PORT}"


def test_a_port_that_says_nothing(monkeypatch):
    monkeypatch.setattr(channel, "CONNECT_DEADLINE_S", 0.1)
    with socket.create_server(("localhost", 0)) as silent:
        assert refusal(silent.getsockname()[1]) == (
            f"(it accepted and then said nothing for 0 s); {PORT}"
        )


def test_a_port_of_the_web(pair):
    with listening_tls(pair, "http/1.1") as port:
        assert refusal(port, ca=pair[0]) == f"(it speaks TLS and is no daemon); {PORT}"


def test_a_file_of_certificates_that_is_none(tmp_path):
    def told(ca):
        with pytest.raises(BadInput) as bad:
            door.shake(address.server("localhost:1", token=TOKEN, ca=ca))
        return str(bad.value)

    missing, wrong = tmp_path / "none.pem", tmp_path / "wrong.pem"
    wrong.write_bytes(b"\xff no certificate")

    assert told(missing) == (
        f"the certificates in {missing} cannot be read: No such file or directory; name the file "
        "of the CA with --ca FILE or FTCTL_CA"
    )
    assert told(wrong) == (
        f"{wrong} holds no certificate in PEM; name the file of the CA that signed the daemon's "
        "with --ca FILE or FTCTL_CA"
    )


def test_without_a_ca_it_is_trusted_what_the_system_trusts(pair, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
    with listening_tls(pair, "h2") as port:
        met = door.shake(address.server(f"localhost:{port}", token=TOKEN))

    assert met.protocol == "TLSv1.3"
