"""Serve a store to a browser on this machine until Ctrl-C."""

import errno
import os
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from streamaug.errors import StoreError
from streamaug.explore.app import make_app
from streamaug.explore.explorer import Explorer

_BUSY = (errno.EADDRINUSE, errno.EACCES)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that accepts connections.

    Args:
        host: Address to listen at.
        port: Port; 0 for a free one.

    Raises:
        StoreError: The address is not this machine's, or the port is in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()  # already now: who reads the address may connect
    except OSError as error:
        remedy = "choose another port with --port" if error.errno in _BUSY else "choose an address of this machine with --host"
        raise StoreError(f"cannot listen at {host}, port {port}: {error.strerror or error}; {remedy}") from error
    return listening


def address_of(listening: socket.socket) -> str:
    """The URL of a server at a socket, for a browser on this machine."""
    host, port, *_ = listening.getsockname()
    if host in ("0.0.0.0", "::"):  # noqa: S104  # compared with, not bound to
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(explorer: Explorer, listening: socket.socket, host: str, *, started: Callable[[], object] | None = None) -> None:
    """Answer requests until Ctrl-C.

    Args:
        explorer: The store.
        listening: From `listening_socket`.
        host: The address that it listens at, as the user wrote it.
        started: Called when a browser can ask. Default: nothing.
    """
    config = uvicorn.Config(
        make_app(explorer, host),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        ws="none",
    )
    _Server(config, started or (lambda: None)).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()


def open_browser(address: str) -> None:
    """Show a page in the user's browser, if there is one with a window, without waiting for it."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is webbrowser.GenericBrowser and "BROWSER" not in os.environ:
        return  # one in text mode, which would take the terminal and plays no sound
    threading.Thread(target=browser.open, args=(address,), daemon=True).start()
