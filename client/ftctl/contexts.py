"""The daemons that a user has given names: a file that only he can read, for it holds tokens."""

import contextlib
import fcntl
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ftctl import address
from ftctl.address import Server
from ftctl.errors import BadInput

LOCAL = "local"
"""What means this machine's socket where a context is asked for."""
FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """Servers by name, and which of them is used where nothing else is said."""

    current: str = LOCAL
    servers: Mapping[str, Server] = field(default_factory=dict)

    def named(self, name: str) -> Server:
        """Return one of them. Raises BadInput."""
        if name not in self.servers:
            known = ", ".join([*self.servers, LOCAL])
            raise BadInput(
                f"there is no context `{name}`; there are {known}, and `ftctl context add {name} "
                "--server HOST:PORT` makes one"
            )
        return self.servers[name]

    def having(self, name: str, server: Server) -> "Contexts":
        """Return these and another, in place of one of that name. Raises BadInput."""
        if name == LOCAL or not _NAME.fullmatch(name):
            raise BadInput(
                f"`{name}` cannot be the name of a context; say 1 to 63 letters, digits and . _ -, "
                f"a letter or digit first, and not `{LOCAL}`, which is this machine's socket"
            )
        return replace(self, servers={**self.servers, name: server})

    def using(self, name: str) -> "Contexts":
        """Return these with another current one. Raises BadInput."""
        if name != LOCAL:
            self.named(name)
        return replace(self, current=name)

    def without(self, name: str) -> "Contexts":
        """Return the others; where it was the current one, that is local now. Raises BadInput."""
        self.named(name)
        rest = {each: server for each, server in self.servers.items() if each != name}
        return Contexts(current=LOCAL if self.current == name else self.current, servers=rest)


def place(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the file is."""
    home = environment.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "finetuned" / "contexts.json"


def read(path: Path) -> Contexts:
    """Read the file; where there is none, there are no contexts.

    Raises:
        BadInput: where it cannot be read, or others can read it too.
    """
    try:
        with _saying("read", path), contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            _refuse_others(path, os.fstat(file.fileno()))
            return _contexts(json.loads(file.read()))
        return Contexts()
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(
            f"{path} holds no contexts of this version of ftctl; move it away and add them again "
            "with `ftctl context add NAME --server HOST:PORT`"
        ) from None


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Have others who change the file wait inside the block: it is read, changed and written.

    Raises:
        BadInput: where there can be no such file.
    """
    with _saying("written", path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write(path: Path, contexts: Contexts) -> None:
    """Put contexts into the file: written aside and renamed, readable for this user alone.

    Raises:
        BadInput: where it cannot be written.
    """
    text = json.dumps(_plain(contexts), indent=2) + "\n"
    with _saying("written", path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Its mode is 0600 from the first moment.
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(aside).replace(path)
        except OSError:
            Path(aside).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _saying(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(f"the contexts in {path} cannot be {what}: {error.strerror}") from None


def _refuse_others(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid():
        raise BadInput(
            f"{path} holds tokens and belongs to user {found.st_uid}; take it over with "
            f"`chown {os.geteuid()} {path}`, or move it away"
        )
    if mode & 0o077:
        raise BadInput(
            f"{path} holds tokens and others may open it (mode {mode:04o}); close it with "
            f"`chmod 600 {path}`, and have tokens that others may have seen revoked"
        )


def _contexts(told: Any) -> Contexts:
    if told["format"] != FORMAT:
        raise ValueError(told["format"])
    servers = {
        name: address.server(each["server"], token=each["token"], ca=each.get("ca"))
        for name, each in told["contexts"].items()
    }
    current = told["current"]
    return Contexts(current=current if current in servers else LOCAL, servers=servers)


def _plain(contexts: Contexts) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "current": contexts.current,
        "contexts": {
            name: {
                "server": str(server),
                "token": server.token,
                **({"ca": str(server.ca)} if server.ca else {}),
            }
            for name, server in contexts.servers.items()
        },
    }
