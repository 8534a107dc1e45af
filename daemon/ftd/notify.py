"""Tell the service manager how the daemon is: systemd's sd_notify, without its library."""

import socket
from collections.abc import Mapping


def tell(environment: Mapping[str, str], *words: str) -> bool:
    """Send words such as `READY=1` or `STATUS=listens`; return whether anybody took them.

    Without a service manager (no NOTIFY_SOCKET) nothing happens. A manager that is away or slow
    is none of the daemon's trouble: it never waits for it.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # an abstract socket: its name begins with a zero byte
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        manager.setblocking(False)
        try:
            manager.sendto("\n".join(words).encode(), address)
        except OSError:
            return False
    return True
