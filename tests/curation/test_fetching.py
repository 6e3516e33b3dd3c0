"""Pinned files come whole or not at all, over lines that break."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from curation.errors import DownloadError, LockMismatchError
from curation.fetching import fetch, require_pinned
from curation.pins import PinnedFile

BODY = bytes(range(256)) * 4000


class FileServer(ThreadingHTTPServer):
    """Serves one body at every path; breaks off after as many bytes as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.body = BODY
        self.breaks: list[int] = []
        """For each request to come, after how many bytes the line breaks."""
        self.status = 200
        self.ranges: list[str] = []
        self.knows_ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data.tar.gz"


class _Answer(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.ranges.append(asked)
        first = int(asked[6:-1]) if asked and self.server.knows_ranges else 0
        status = 206 if first else self.server.status
        if first >= len(self.server.body):
            status = 416
        self.send_response(status)
        rest = self.server.body[first:] if status < 300 else b""
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        end = self.server.breaks.pop(0) if self.server.breaks else len(rest)
        self.wfile.write(rest[:end])
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.01,))
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def pin(url: str, body: bytes = BODY, **changes: object) -> PinnedFile:
    facts = {
        "sha256": hashlib.sha256(body).hexdigest(),
        "md5": hashlib.md5(body).hexdigest(),
        "bytes": len(body),
    }
    return PinnedFile(name="data", url=url, **{**facts, **changes})  # type: ignore[arg-type]


def fetched(one: PinnedFile, cache: Path) -> bytes:
    return fetch(one, cache=cache, advanced=lambda _: None).read_bytes()


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_a_file_is_fetched_once_and_kept(server, tmp_path):
    so_far: list[int] = []
    path = fetch(pin(server.url), cache=tmp_path, advanced=so_far.append)
    assert path.read_bytes() == BODY
    assert so_far[-1] == len(BODY)
    assert fetched(pin(server.url), tmp_path) == BODY
    assert len(server.ranges) == 1
    assert names(tmp_path) == ["data.tar.gz"]


def test_where_the_line_breaks_the_rest_is_asked_for(server, tmp_path):
    server.breaks = [300_000, 16384, 200_000]
    assert fetched(pin(server.url), tmp_path) == BODY
    assert server.ranges == ["", "bytes=294912-", "bytes=311296-", "bytes=507904-"]


def test_a_killed_fetch_goes_on_and_a_server_without_ranges_begins_anew(server, tmp_path):
    (tmp_path / "data.tar.gz.part").write_bytes(BODY[:1000])
    server.knows_ranges = False
    assert fetched(pin(server.url), tmp_path) == BODY
    assert server.ranges == ["bytes=1000-"]


def test_a_partial_file_of_something_else_does_not_last(server, tmp_path):
    (tmp_path / "data.tar.gz.part").write_bytes(b"other" * 100)
    with pytest.raises(LockMismatchError, match="is not data as it is pinned"):
        fetched(pin(server.url), tmp_path)
    assert names(tmp_path) == []
    assert fetched(pin(server.url), tmp_path) == BODY


@pytest.mark.parametrize("body", [b"tampered", BODY[:-1], BODY + b"more" * 100_000])
def test_another_file_than_the_pinned_one_never_has_its_name(server, tmp_path, body):
    server.body = body
    with pytest.raises(LockMismatchError) as caught:
        fetched(pin(server.url), tmp_path)
    assert caught.value.exit_code == 4
    assert names(tmp_path) == []


def test_a_cached_file_that_has_changed_is_fetched_again(server, tmp_path):
    (tmp_path / "data.tar.gz").write_bytes(b"rotten")
    assert fetched(pin(server.url), tmp_path) == BODY


@pytest.mark.parametrize("changes", [{"md5": "0" * 32}, {"bytes": 7}])
def test_every_pinned_fact_counts(tmp_path, changes):
    (tmp_path / "data").write_bytes(BODY)
    require_pinned(tmp_path / "data", pin("https://x.example/data"))
    with pytest.raises(LockMismatchError, match="not data as it is pinned"):
        require_pinned(tmp_path / "data", pin("https://x.example/data", **changes))


def test_without_a_network_the_error_says_how_to_go_on(tmp_path):
    with pytest.raises(DownloadError, match=r"no connection.*--file") as caught:
        fetched(pin("http://127.0.0.1:9/data.tar.gz"), tmp_path)
    assert caught.value.exit_code == 1


def test_a_line_that_brings_nothing_more_is_given_up(server, tmp_path):
    server.breaks = [20_000, 0, 0, 0, 0, 0, 0]
    with pytest.raises(DownloadError, match="goes on where this ended"):
        fetched(pin(server.url), tmp_path)
    assert len(server.ranges) == 5
    assert names(tmp_path) == ["data.tar.gz.part"]


def test_a_server_that_refuses_is_quoted(server, tmp_path):
    server.status = 404
    with pytest.raises(DownloadError, match="answers 404 Not Found"):
        fetched(pin(server.url), tmp_path)


def test_a_cache_that_cannot_be_written_is_told(server, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file")
    with pytest.raises(DownloadError, match="cannot write into"):
        fetched(pin(server.url), tmp_path / "cache")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DownloadError, match="cannot read"):
        require_pinned(tmp_path / "gone", pin("https://x.example/data"))
