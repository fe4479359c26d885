"""Servers over real HTTP on this machine: S3, plain web servers, and a proxy that causes faults."""

import functools
import getpass
import http.client
import http.server
import io
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

Fault = Literal["refuse", "forbid", "cut", "lose", "shorten", "slow", "hang"]
"""refuse: 503. forbid: 403. cut: the connection ends before the request is passed on. lose: it ends
after the request was carried out, before the answer. shorten: the second half of the body is
missing. slow: it arrives in pieces. hang: no answer."""

Faults = Callable[[str, str], Fault | None]
"""The fault of a request, from its method and path."""


@contextmanager
def s3_server() -> Iterator[str]:
    """The URL of a moto S3 server. All such servers of a process share their content."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    folder_status: int | None = None
    """Status of the answer to a request for a folder. None: a list of its files."""

    def log_message(self, *args: object) -> None: ...

    def list_directory(self, path: Any) -> io.BytesIO | None:
        if self.folder_status is None:
            return super().list_directory(path)
        self.send_error(self.folder_status)
        return None


@contextmanager
def _serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def python_web_server(folder: Path, *, folder_status: int | None = None) -> Iterator[str]:
    """Python's own web server, which does not support ranges.

    It lists folders unless these have a status of their own.
    """
    handler = type("Handler", (_Quiet,), {"folder_status": folder_status})
    with _serving(functools.partial(handler, directory=str(folder))) as url:
        yield url


@contextmanager
def nginx(folder: Path, scratch: Path, *, listing: bool = True) -> Iterator[str]:
    """nginx with listings, or without as it is by default: then folders answer 403.

    The test is skipped if it is not installed.
    """
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    temporary = "".join(f"{name}_temp_path {scratch}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    index = "on" if listing else "off"
    user = f"user {getpass.getuser()}; " if os.geteuid() == 0 else ""  # root's workers would be nobody, who may not read the folder
    settings = scratch / "nginx.conf"
    settings.write_text(
        f"{user}daemon off; pid {scratch}/pid; error_log stderr; events {{}} "
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; root {folder}; autoindex {index}; }} }}"
    )
    process = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(settings)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def faulty(upstream: str, faults: Faults) -> Iterator[str]:
    """A proxy in front of a server, with a fault in each request that `faults` names."""
    target = urlsplit(upstream).netloc

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None: ...

        def _relay(self) -> None:
            fault = faults(self.command, self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault in ("refuse", "forbid"):
                status, code = (503, "SlowDown") if fault == "refuse" else (403, "AccessDenied")
                self._answer(status, {}, f"<Error><Code>{code}</Code><Message>{fault}</Message></Error>".encode())
                return
            if fault == "hang":
                self.connection.settimeout(60)
                self.connection.recv(1)  # until the client gives up
            if fault in ("cut", "hang"):
                self.close_connection = True
                return
            onward = http.client.HTTPConnection(target, timeout=30)
            onward.request(self.command, self.path, body, dict(self.headers))
            answer = onward.getresponse()
            data = answer.read()
            onward.close()
            if fault == "lose":
                self.close_connection = True
                return
            self._answer(answer.status, dict(answer.headers), data, fault)

        def _answer(self, status: int, headers: dict[str, str], data: bytes, fault: Fault | None = None) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            length = headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(data)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault == "shorten" and data:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif fault == "slow":
                for start in range(0, len(data), 1 + len(data) // 4):
                    self.wfile.write(data[start : start + 1 + len(data) // 4])
                    time.sleep(0.02)
            else:
                self.wfile.write(data)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _relay  # noqa: N815  the base class calls them so

    with _serving(Handler) as url:
        yield url
