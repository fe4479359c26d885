"""Which names a server answers to: a page of another site must not reach it under a name of its own."""

import ipaddress
import socket

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def allowed_names(host: str) -> frozenset[str]:
    """Names of a server in a `Host` header.

    A site can let its own name point to this machine (DNS rebinding) and would then read the
    answers. So a name counts only if it is the server's.

    Args:
        host: The address that the server listens at.
    """
    return frozenset(name.lower() for name in (*LOOPBACK, host, socket.gethostname()))


def is_allowed(header: str, names: frozenset[str], *, any_address: bool = False) -> bool:
    """Whether a `Host` header names the server.

    Args:
        header: The header, with or without a port.
        names: The server's names, in lower case.
        any_address: Whether every IP address is one, for a server that listens at all of the
            machine's. Nobody can let an address point elsewhere.

    >>> names = frozenset({"127.0.0.1", "localhost", "::1"})
    >>> [is_allowed(header, names) for header in ("localhost:8000", "[::1]:8000", "evil.example", "")]
    [True, True, False, False]
    >>> is_allowed("192.168.1.2:8000", names), is_allowed("192.168.1.2:8000", names, any_address=True)
    (False, True)
    """
    name = header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]
    if name.lower().rstrip(".") in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return any_address


def is_every_address(host: str) -> bool:
    """Whether a server that listens there answers at all addresses of the machine.

    >>> is_every_address("0.0.0.0"), is_every_address("127.0.0.1")
    (True, False)
    """
    return host in ("", "0.0.0.0", "::")  # noqa: S104  # compared with, not bound to


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
