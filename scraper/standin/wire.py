"""Answers on the wire: the HTTP of a stand-in's hosts, and the log of who asked what when."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import selectors
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

MAX_FORM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request, taken apart."""

    path: str
    """Percent-encoded, without the query."""
    query: Mapping[str, str]
    """The first value of each parameter."""
    form: Mapping[str, str]
    cookies: Mapping[str, str]
    target: str
    """Path and query as they were sent."""
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send back.

    A body in pieces is sent piece by piece: under a Content-Length where `promised_bytes`
    is given, whatever the pieces come to, and chunked otherwise.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    promised_bytes: int | None = None
    hangs_up: bool = False
    """Close the connection after the body, without having said so."""
    resets: bool = False
    """Send nothing, and reset the connection."""
    raw: Iterable[bytes] | None = None
    """Sent piece by piece instead of all this, headers too; then the connection is closed."""


Respond = Callable[[Ask], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One line of the log."""

    start_s: float
    """When the request's first line had arrived, on the monotonic clock."""
    end_s: float | None = None
    """When the last byte was handed to the kernel; None while the answer is on its way."""
    method: str
    host: str
    """address:port of the host that was asked."""
    path: str
    """Path and query as they were sent."""
    status: int
    """0 where the connection was reset instead."""
    client_port: int
    connection: int
    """Numbers the connections to all hosts, so that keep-alive shows."""


class RequestLog:
    """The requests to all hosts of a site, in the order in which their answers began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []

    def begin(self, request: Request) -> int:
        """Note a request before its answer is sent; return its place for `finish`."""
        with self._lock:
            self._requests.append(request)
            return len(self._requests) - 1

    def finish(self, place: int, end_s: float) -> None:
        """Note that the answer is out."""
        with self._lock:
            self._requests[place] = replace(self._requests[place], end_s=end_s)

    def snapshot(self) -> list[Request]:
        """The requests so far."""
        with self._lock:
            return list(self._requests)


class Listener(http.server.ThreadingHTTPServer):
    """One listening address. A thread per connection; `close` ends them all, at once."""

    request_queue_size = 128
    timeout = 0

    def __init__(self, address: tuple[str, int], respond: Respond, log: RequestLog) -> None:
        self.respond, self.log = respond, log
        self._threads_by_socket: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, Handler)

    @property
    def authority(self) -> str:
        """address:port, as it stands in a URL."""
        host, port = self.server_address[:2]
        return f"{host!s}:{port}"

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: object, client_address: object) -> None:
        """Serve one connection in a thread of its own."""
        assert isinstance(request, socket.socket)
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._threads_by_socket[request] = thread
        thread.start()

    def shutdown_request(self, request: object) -> None:
        """End one connection; called by its own thread."""
        assert isinstance(request, socket.socket)
        self._threads_by_socket.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over clients that went away; anything else is a defect worth its traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop listening, hang up on everyone and wait for their threads."""
        self.server_close()
        for connection, thread in list(self._threads_by_socket.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()


class Acceptor:
    """One thread that accepts connections for every listener of a site."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        for listener in listeners:
            self._selector.register(listener, selectors.EVENT_READ, listener)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Accept no more, and wait for the thread."""
        self._wake.send(b"!")
        self._thread.join()
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _accept(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                key.data.handle_request()


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads requests off one connection and writes its listener's answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    _connections = itertools.count(1)

    server: Listener

    def setup(self) -> None:
        """Number the connection."""
        super().setup()
        self._connection_number = next(self._connections)

    def version_string(self) -> str:
        """Name no version: there is nothing to learn from it."""
        return "gws"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is given.
        """Stay silent: the request log has it all."""

    def parse_request(self) -> bool:
        """Note the time at which the request's first line had arrived."""
        self._start_s = time.monotonic()
        return super().parse_request()

    def do_GET(self) -> None:
        """Answer with headers and body."""
        self._answer()

    do_HEAD = do_POST = do_GET  # noqa: N815 - the names are given.

    def _answer(self) -> None:
        try:
            ask = self._ask()
        except ValueError:
            self.send_error(400, "Bad Request")
            return
        answer = self.server.respond(ask)
        place = self.server.log.begin(self._line(answer))
        try:
            self._reset() if answer.resets else self._send(answer)
        finally:
            self.server.log.finish(place, time.monotonic())

    def _ask(self) -> Ask:
        parts = urlsplit(self.path)
        cookies: SimpleCookie = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookies.load(self.headers.get("Cookie", ""))
        return Ask(
            path=parts.path,
            query=_first_values(parts.query),
            form=_first_values(self._form()),
            cookies={name: morsel.value for name, morsel in cookies.items()},
            target=self.path,
            client=str(self.client_address[0]),
        )

    def _form(self) -> str:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= MAX_FORM_BYTES:
            self.close_connection = True
            raise ValueError(f"a form of {length} bytes")
        return self.rfile.read(length).decode("utf-8", "replace")

    def _line(self, answer: Answer) -> Request:
        return Request(
            start_s=self._start_s,
            method=self.command,
            host=self.server.authority,
            path=self.path,
            status=0 if answer.resets else answer.status,
            client_port=self.client_address[1],
            connection=self._connection_number,
        )

    def _send(self, answer: Answer) -> None:
        if answer.raw is not None:
            self._send_raw(answer.raw)
            return
        pieces: Iterable[bytes]
        length: int | None
        if isinstance(answer.body, bytes):
            pieces, length = [answer.body], len(answer.body)
        else:
            pieces, length = answer.body, answer.promised_bytes
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self.close_connection |= answer.hangs_up
        if self.command != "HEAD":
            for piece in _chunked(pieces) if length is None else pieces:
                self.wfile.write(piece)

    def _send_raw(self, pieces: Iterable[bytes]) -> None:
        self.close_connection = True
        for piece in pieces:
            self.wfile.write(piece)

    def _reset(self) -> None:
        """Close with unsent data discarded, which the client sees as a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()


def _first_values(encoded: str) -> dict[str, str]:
    values = parse_qs(encoded, keep_blank_values=True, errors="replace")
    return {name: given[0] for name, given in values.items()}


def _chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
