"""A web server of archives that supports ranges and has faults."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Server(ThreadingHTTPServer):
    """Serves files with byte ranges. faults: what befalls the next requests: a status, a number of
    bytes after which the connection is cut, "no ranges", "stop" in the middle until `go` is set, or
    None. ranges: the Range header of every request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.ranges, self.go = {}, deque(), [], Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        fault = server.faults.popleft() if server.faults else None
        data = server.files.get(self.path[1:])
        if data is None or (isinstance(fault, int) and 400 <= fault < 600):
            self.send_error(fault or 404)
            return
        start = int(self.headers["Range"][6:-1]) if "Range" in self.headers and fault != "no ranges" else None
        if start is not None and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = data[start:]
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if isinstance(fault, int):
            self.wfile.write(body[:fault])
            self.close_connection = True
        elif fault == "stop":
            self.wfile.write(body[: len(body) // 2])
            server.go.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, *_): ...


@contextmanager
def archive_server() -> Iterator[Server]:
    """A server, until the block ends."""
    with Server() as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.go.set()
            server.shutdown()
            thread.join()
