"""The web application: pages and data of one store, and nothing else."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamaug.errors import CorruptError, FetchError, StoreError, StreamaugError
from streamaug.explore.explorer import Explorer
from streamaug.explore.filters import Filter, Query
from streamaug.explore.hosts import allowed_names, is_allowed, is_every_address
from streamaug.explore.page import SCRIPTS, STATIC, STYLES, render_page

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_STATUS = {StoreError: 404, CorruptError: 422, FetchError: 502}
"""Status of an answer by the kind of error; 400 for others, which the request is to blame for."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of everything but the page: it may do nothing at all."""


class Guard:
    """Refuse requests under a foreign name, and add headers of security to every answer.

    Args:
        app: The application.
        host: The address that the server listens at.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._names, self._any_address = allowed_names(host), is_every_address(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        header = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = {**_HEADERS, "Content-Security-Policy": _POLICY}
                message["headers"] += [
                    (name.lower().encode(), value.encode()) for name, value in added.items() if name.lower().encode() not in present
                ]
            await send(message)

        app = self._app if is_allowed(header, self._names, any_address=self._any_address) else _FOREIGN
        await app(scope, receive, guarded)


_FOREIGN = PlainTextResponse("This server answers only to its own name; see 'streamaug explore --host'.", 421)


def make_app(explorer: Explorer, host: str) -> Starlette:
    """The application for a store.

    Args:
        explorer: The store.
        host: The address that the server listens at.
    """

    def page(_: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        policy = f"{_POLICY}; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; connect-src 'self'"
        return Response(
            render_page(explorer.overview(), nonce=nonce),
            media_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": policy},
        )

    def clips(request: Request) -> dict[str, Any]:
        return explorer.search(_query(request), _start(request))

    def values(request: Request) -> dict[str, Any]:
        return explorer.values(request.query_params.get("column", ""))

    def clip(request: Request) -> dict[str, Any]:
        return explorer.clip(request.query_params.get("clip", ""))

    def sound(request: Request) -> Response:
        audio = explorer.sound(*_condition_and_clip(request))
        return Response(audio.data, media_type=audio.mime)

    def bitstream(request: Request) -> Response:
        name, data = explorer.bitstream(*_condition_and_clip(request))
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        return Response(data, media_type="application/octet-stream", headers={"Content-Disposition": disposition})

    routes = [
        Route("/", page),
        *(Route(f"/static/{name}", _static(STATIC / name)) for name in (*SCRIPTS, *STYLES)),
        *(Route(f"/api/{each.__name__}", _endpoint(each)) for each in (clips, values, clip, sound, bitstream)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, host=host)])


def _static(path: Path) -> Callable[[Request], Response]:
    """One of the page's own files; no path of a request is ever joined to a folder."""

    def file(_: Request) -> Response:
        return Response(path.read_bytes(), headers={"Content-Type": _TYPES[path.suffix]})

    return file


def _endpoint(answer: Callable[[Request], Response | dict[str, Any]]) -> Callable[[Request], Response]:
    """An endpoint: data as JSON, and an error as its message."""

    def endpoint(request: Request) -> Response:
        try:
            content = answer(request)
        except StreamaugError as error:
            status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)
            return JSONResponse({"error": str(error)}, status)
        return content if isinstance(content, Response) else JSONResponse(content)

    return endpoint


def _condition_and_clip(request: Request) -> tuple[str, str]:
    """The condition and the clip that a request names."""
    return request.query_params.get("condition", ""), request.query_params.get("clip", "")


def _query(request: Request) -> Query:
    try:
        filters = [Filter.of(json.loads(text)) for text in request.query_params.getlist("filter")]
    except (json.JSONDecodeError, RecursionError):
        raise StreamaugError("a filter is not JSON") from None
    return Query(text=request.query_params.get("text", ""), filters=tuple(filters))


def _start(request: Request) -> int:
    text = request.query_params.get("start", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise StreamaugError(f"start={text!r} is not a number")
    return int(text)
