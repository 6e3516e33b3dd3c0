"""Small working stand-ins: a clock that jumps, a server that follows a script, a window."""

from __future__ import annotations

import re
import struct
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self


def png(seed: int = 0, *, side_px: int = 8) -> bytes:
    """A valid PNG; each seed gives other bytes."""
    pixels = Random(seed).randbytes(side_px * side_px * 3)
    rows = b"".join(
        b"\0" + pixels[start : start + side_px * 3] for start in range(0, len(pixels), side_px * 3)
    )
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


class JumpingClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class NoJitter(Random):
    """Chance that never adds anything."""

    def random(self) -> float:
        return 0.0


@dataclass(kw_only=True)
class Reply:
    """One answer of an `ImageServer`."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    """What Content-Length says, where it should lie."""
    wait_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One request that reached an `ImageServer`."""

    path: str
    began: float
    ended: float
    client_port: int
    headers: Mapping[str, str]


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up in the middle on purpose."""


class ImageServer:
    """A real server on loopback. `script` has the answers of each path; the last one repeats."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.script: dict[str, list[Reply]] = {}
        self.hits: list[Hit] = []
        self._lock = threading.Lock()
        self._server = _QuietServer((address, 0), _handler(self._reply, self.hits))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def url(self, path: str) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}{path}"

    def asked(self, path: str) -> int:
        return sum(hit.path == path for hit in self.hits)

    def _reply(self, path: str) -> Reply:
        with self._lock:
            replies = self.script.get(path, [Reply(status=404)])
            return replies.pop(0) if len(replies) > 1 else replies[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(reply_to: Callable[[str], Reply], hits: list[Hit]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            began = time.monotonic()
            reply = reply_to(self.path)
            time.sleep(reply.wait_s)
            length = len(reply.body) if reply.length is None else reply.length
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(length), **reply.headers}.items():
                self.send_header(name, value)
            # Before the answer is sent: whoever has it finds it noted.
            hits.append(
                Hit(
                    path=self.path,
                    began=began,
                    ended=time.monotonic(),
                    client_port=self.client_address[1],
                    headers={name.lower(): value for name, value in self.headers.items()},
                )
            )
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = length != len(reply.body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    return Handler


class FakeWindow:
    """A browser window over pages made by code, which show one after the other.

    Scrolling brings the next one; where the page `trickles`, each look at it does.
    """

    def __init__(
        self,
        pages: Mapping[str, list[str]],
        *,
        redirects: Mapping[str, str] | None = None,
        panels: Mapping[str, list[str]] | None = None,
        trickles: bool = False,
    ) -> None:
        self._pages, self._redirects, self._panels = pages, redirects or {}, panels or {}
        self._url, self._step, self._trickles = "about:blank", 0, trickles
        self.scripts = 0
        self.panels: list[str] = []
        self.is_closed = False

    def open(self, url: str) -> None:
        self._url = self._redirects.get(url, url)
        self._step = 0

    def url(self) -> str:
        return self._url

    def html(self) -> str:
        steps = self._pages[self._url]
        return steps[min(self._step, len(steps) - 1)]

    def screenshot(self) -> bytes:
        return png()

    def run(self, script: str, *arguments: object) -> Any:
        self.scripts += 1
        if "waitMs" in script:
            self.panels.append(str(arguments[0]))
            return {"seen": self._panels.get(str(arguments[0]), []), "url": self._url}
        if "scrollTo" not in script:
            return self._answer_consent() if "set_eom" in script else 0
        return self._scroll(*arguments)

    def _scroll(
        self, _: object, known: Any, seen: Any, least: Any, wanted: Any
    ) -> dict[str, object]:
        """Answer for the page as it is, as the script does, and then show the next one."""
        page = self.html()
        results = len(set(re.findall('data-docid="([^"]*)', page)))
        is_growing = results > seen
        is_enough = known < wanted <= results
        is_read = is_enough or results - known >= (3 * least if is_growing else least)
        is_scrolled = not is_growing and (results < wanted if is_read else results <= known)
        self._step += is_scrolled or self._trickles
        return {
            "cards": page.count("data-docid="),
            "results": results,
            "html": page if is_read else None,
            "isScrolled": is_scrolled,
            "url": self._url,
            "ended": "reached the end" in page,
        }

    def _answer_consent(self) -> bool:
        self._url = self._redirects.get(f"consent:{self._url}", self._url)
        return True
