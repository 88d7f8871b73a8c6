"""The page on this machine alone: a server that answers its own page, and nobody else's."""

import asyncio
import json
import socket
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, final

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from thalweg.chain.problem import Problem
from thalweg.web import page
from thalweg.web.desk import Desk
from thalweg.web.frame import framed
from thalweg.web.shelf import Shelf
from thalweg.web.worker import Worker

HOST = "127.0.0.1"
LOCAL = ("127.0.0.1", "localhost")
MESSAGE = 4 << 20  # bytes of one message, which may hold a table
PAGES = 16  # open at the same time
WRONG = 50  # messages that are none, after which a page is shut
PATIENCE = 30.0  # seconds for a page to take an answer
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
START = 'import { mount } from "./explorer.js"; mount(document.getElementById("thalweg"));'
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@final
class Local:
    """Lets through what a browser on this machine asks of this server under its own name: another Host is a name of
    somebody else that leads here, another Origin a page of somebody else."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app = app
        self.hosts = {f"{host}:{port}" for host in LOCAL}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        origin, live = headers.get("origin"), scope["type"] == "websocket"
        if headers.get("host") in self.hosts and (origin in self.origins if live or origin else True):
            return await self.app(scope, receive, send)
        if live:
            await receive()
            return await send({"type": "websocket.close", "code": 1008, "reason": "another page"})
        await PlainTextResponse("This page is for this machine alone.", 403)(scope, receive, send)


def application(port: int, own: Mapping[str, Problem] | None = None, first: str = "") -> ASGIApp:
    """The page and its live wire. ``first`` is the address part of the state in which it opens."""
    shelf, open_pages = Shelf(own), set[WebSocket]()

    def serve(text: str, kind: str) -> Any:
        return lambda request: Response(text, media_type=kind, headers=HEADERS)

    async def live(socket: WebSocket) -> None:
        if len(open_pages) >= PAGES:
            return await socket.close(1013, f"{PAGES} pages are open; close one")
        await socket.accept()
        open_pages.add(socket)
        try:
            await _answer(socket, Worker(Desk(shelf), _sender(socket)))
        finally:
            open_pages.discard(socket)

    routes = [
        Route("/", serve(page.document().replace("{{first}}", _attribute(first)), "text/html")),
        Route("/start.js", serve(START, "text/javascript")),
        Route("/explorer.js", serve(page.script(), "text/javascript")),
        Route("/explorer.css", serve(page.style(), "text/css")),
        Route("/plotly.js", serve(page.plotly(), "text/javascript")),
        WebSocketRoute("/live", live),
    ]
    return Local(Starlette(routes=routes), port)


def _attribute(text: str) -> str:
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(plain, escaped)
    return text


async def _answer(socket: WebSocket, worker: Worker) -> None:
    """Take questions until the page is gone."""
    wrong = 0
    try:
        while wrong < WRONG:
            try:
                question = json.loads(await socket.receive_text())
            except (KeyError, ValueError, RecursionError):  # bytes, or no JSON
                question = None
            wrong += not isinstance(question, dict)
            await asyncio.to_thread(worker.ask, question)
        await socket.close(1008, "too many messages that are none")
    except WebSocketDisconnect:
        pass
    finally:
        worker.stop()


def _sender(socket: WebSocket) -> Any:
    """Sends answers from other threads, each when the one before is taken; to a page that is gone, none."""
    loop = asyncio.get_running_loop()

    def send(answer: dict[str, Any]) -> None:
        sending = socket.send_bytes(framed(answer))
        try:
            asyncio.run_coroutine_threadsafe(sending, loop).result(PATIENCE)
        except Exception:  # it is gone, or takes nothing
            sending.close()

    return send


def serve(own: Mapping[str, Problem] | None, first: str, port: int, open_browser: bool) -> None:
    """Serve the page until Ctrl-C, and tell where; port 0 takes any that is free."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise ValueError(f"port {port} cannot be used ({error.strerror}); give another, or none.") from error
        listener.listen()  # so that a browser that is opened now waits, and is not turned away
        port = listener.getsockname()[1]
        app = application(port, own, first)
        config = uvicorn.Config(app, log_level="warning", ws_max_size=MESSAGE, ws="websockets-sansio", lifespan="off")
        address = f"http://{HOST}:{port}/"
        print(f"thalweg: {address} (Ctrl-C ends it)", flush=True)
        if open_browser:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):  # which uvicorn hands on after it has ended
            uvicorn.Server(config).run(sockets=[listener])
