from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from scraper.addresses import AddressRule
from scraper.clock import SystemClock
from scraper.errors import FetchError, TransientFetchError, UnwantedError
from scraper.fetch import Body, Redirect, Web, in_data_uri, retry_after_s, user_agent
from scraper.policy import FetchPolicy
from tests.fakes import ImageServer, Reply, png

LOOPBACK = AddressRule.of(["127.0.0.0/8"])
POLICY = FetchPolicy(timeout_s=0.4, total_s=1.0, max_bytes=50_000, contact="me@example.org")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with ImageServer() as running:
        yield running


@pytest.fixture
def web() -> Iterator[Web]:
    with contextlib.closing(Web(policy=POLICY, rule=LOOPBACK, clock=SystemClock())) as opened:
        yield opened


def test_an_image_comes_with_the_type_that_its_bytes_have(server: ImageServer, web: Web) -> None:
    server.script["/a.jpg"] = [Reply(body=png(), headers={"Content-Type": "text/html"})]

    assert web.ask(server.url("/a.jpg")) == Body(body=png(), content_type="image/png")


def test_we_say_who_we_are(server: ImageServer, web: Web) -> None:
    server.script["/a"] = [Reply(body=png())]

    web.ask(server.url("/a"))

    assert server.hits[0].headers["user-agent"] == user_agent("me@example.org")
    assert user_agent("me@example.org").startswith("bestiary/")
    assert user_agent("me@example.org").endswith("(+me@example.org)")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!DOCTYPE html><html>no</html>", "not an image: HTML"),
        (b"\n <svg xmlns='x'/>", "not an image: SVG"),
        (b"<?xml version='1.0'?><Error/>", "not an image: XML"),
        (b'{"error": 1}', "not an image: JSON"),
        (b"nothing here", "not an image: text"),
        (b"", "not an image: empty"),
        (b"<html>" + b"x" * 40_000, "not an image: HTML"),
        (png() + b"x" * 60_000, "too large: more than 50000 bytes (--max-bytes allows more)"),
    ],
)
def test_what_is_no_image_is_refused_by_its_bytes(
    server: ImageServer, web: Web, body: bytes, reason: str
) -> None:
    server.script["/a.jpg"] = [Reply(body=body, headers={"Content-Type": "image/jpeg"})]

    with pytest.raises(UnwantedError) as refused:
        web.ask(server.url("/a.jpg"))

    assert refused.value.reason == reason


def test_a_body_without_a_length_is_cut_at_the_limit(server: ImageServer, web: Web) -> None:
    chunk = b"%x\r\n%s\r\n" % (60_000, png() + b"x" * (60_000 - len(png())))
    server.script["/a"] = [
        Reply(body=chunk * 3 + b"0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})
    ]

    with pytest.raises(UnwantedError, match="too large"):
        web.ask(server.url("/a"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 501, 304, 204])
def test_what_will_not_pass_fails_with_its_status(
    server: ImageServer, web: Web, status: int
) -> None:
    server.script["/a"] = [Reply(status=status)]

    with pytest.raises(FetchError) as failed:
        web.ask(server.url("/a"))

    assert failed.value.reason.startswith(f"HTTP {status}")
    assert not isinstance(failed.value, TransientFetchError)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_worth_another_attempt(server: ImageServer, web: Web, status: int) -> None:
    server.script["/a"] = [Reply(status=status, headers={"Retry-After": "7"})]

    with pytest.raises(TransientFetchError) as failed:
        web.ask(server.url("/a"))

    assert failed.value.retry_after_s == 7


def test_a_body_shorter_than_promised_is_truncated(server: ImageServer, web: Web) -> None:
    server.script["/a"] = [Reply(body=png(), length=len(png()) + 100)]

    with pytest.raises(TransientFetchError, match="truncated"):
        web.ask(server.url("/a"))


def test_a_silent_host_times_out(server: ImageServer, web: Web) -> None:
    server.script["/a"] = [Reply(body=png(), wait_s=0.8)]

    with pytest.raises(TransientFetchError, match="timed out"):
        web.ask(server.url("/a"))


def test_a_body_that_trickles_is_given_up(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_trickle, args=(listener,), daemon=True)
        thread.start()

        with pytest.raises(TransientFetchError, match="too slow"):
            web.ask(f"http://127.0.0.1:{listener.getsockname()[1]}/a")

        thread.join(5)


def _trickle(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + png())
        closed = threading.Event()
        while not closed.wait(0.1):
            connection.sendall(b"x")


def test_nobody_listening_is_said(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(TransientFetchError, match="connection refused"):
        web.ask(f"http://127.0.0.1:{port}/a")


def test_redirects_are_told_not_followed(server: ImageServer, web: Web) -> None:
    server.script["/a"] = [Reply(status=302, headers={"Location": "/b?c=d"})]

    assert web.ask(server.url("/a")) == Redirect(url=server.url("/b?c=d"))


def test_connections_are_kept_between_requests(server: ImageServer, web: Web) -> None:
    server.script["/a"] = [Reply(body=png())]
    for _ in range(3):
        web.ask(server.url("/a"))

    assert len({hit.client_port for hit in server.hits}) == 1


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://127.0.0.1/a", "javascript:alert(1)", "/a.jpg", "", "http://"],
)
def test_only_web_addresses_are_asked(web: Web, url: str) -> None:
    with pytest.raises(UnwantedError, match="only http and https"):
        web.ask(url)


@pytest.mark.parametrize(
    "url", ["http://[::1/a", "http://a:99999/", "http://a..b/", "http://\u2100/"]
)
def test_what_is_no_address_fails(web: Web, url: str) -> None:
    with pytest.raises(FetchError):
        web.ask(url)


def test_private_addresses_are_refused_without_a_connection(server: ImageServer) -> None:
    web = Web(policy=POLICY, rule=AddressRule(), clock=SystemClock())
    with contextlib.closing(web), pytest.raises(UnwantedError, match="private address 127"):
        web.ask(server.url("/a"))

    assert not server.hits


def test_a_name_is_judged_by_the_address_it_has(server: ImageServer) -> None:
    web = Web(policy=POLICY, rule=AddressRule(), clock=SystemClock())
    url = server.url("/a").replace("127.0.0.1", "localhost")
    with contextlib.closing(web), pytest.raises(UnwantedError, match="localhost is at the private"):
        web.ask(url)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60.0),
        ("Fri, 02 Jan 2026 03:05:05", 60.0),
        ("Fri, 02 Jan 2025 03:05:05 GMT", 0.0),
        ("9" * 40, 999_999_999.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_s(value, now=NOW) == seconds


def test_pictures_in_data_addresses_are_decoded() -> None:
    encoded = base64.b64encode(png()).decode()

    for url in (
        f"data:image/jpeg;base64,{encoded}",
        f"data:image/png;base64,{encoded.rstrip('=')}",
        "data:image/png," + "".join(f"%{byte:02x}" for byte in png()),
    ):
        assert in_data_uri(url) == Body(body=png(), content_type="image/png")


@pytest.mark.parametrize("url", ["data:", "data:image/png;base64,????", "data:text/html,<html>"])
def test_data_addresses_without_a_picture_are_refused(url: str) -> None:
    with pytest.raises(UnwantedError, match="not an image"):
        in_data_uri(url)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X-Robots-Tag": "noai, noimageai"}, "opted out: X-Robots-Tag: noai"),
        ({"x-robots-tag": "bestiary: noindex"}, "opted out: X-Robots-Tag: noindex"),
        ({"TDM-Reservation": "1"}, "opted out: tdm-reservation: 1"),
    ],
)
def test_an_image_whose_owner_opts_out_is_refused_before_its_body_comes(
    server: ImageServer, web: Web, headers: dict[str, str], reason: str
) -> None:
    endless = Reply(body=png(), length=49_000, headers=headers)
    server.script["/a.png"] = [endless]

    with pytest.raises(UnwantedError) as refused:
        web.ask(server.url("/a.png"))

    assert refused.value.reason == reason


def test_an_opt_out_for_somebody_else_is_not_for_us(server: ImageServer, web: Web) -> None:
    server.script["/a"] = [Reply(body=png(), headers={"X-Robots-Tag": "otherbot: noai"})]

    assert isinstance(web.ask(server.url("/a")), Body)


def test_rules_are_text_and_cut_when_too_long(server: ImageServer, web: Web) -> None:
    text = b"User-agent: *\nDisallow: /\n"
    server.script["/robots.txt"] = [Reply(body=text), Reply(body=text + b"#" * 900_000)]

    assert web.ask_rules(server.url("/robots.txt")) == Body(body=text)
    longer = web.ask_rules(server.url("/robots.txt"))

    assert isinstance(longer, Body)
    assert longer.body.startswith(text)
    assert len(longer.body) < 600_000


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_where_there_are_no_rules_that_is_known(server: ImageServer, web: Web, status: int) -> None:
    server.script["/robots.txt"] = [Reply(status=status)]

    with pytest.raises(FetchError) as failed:
        web.ask_rules(server.url("/robots.txt"))

    assert not isinstance(failed.value, TransientFetchError)


@pytest.mark.parametrize("status", [429, 500, 501, 503, 505])
def test_where_rules_cannot_be_had_that_may_pass(
    server: ImageServer, web: Web, status: int
) -> None:
    server.script["/robots.txt"] = [Reply(status=status)]

    with pytest.raises(TransientFetchError):
        web.ask_rules(server.url("/robots.txt"))


@pytest.mark.parametrize(
    ("beginning", "drop", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", "timed out"),
        (b"HTTP/1.1 200 OK\r\nX-", b"y", "timed out"),
        (b"HTTP/1.1 200 OK\r\n", b"X: %s\r\n" % (b"y" * 30_000), "its headers are too long"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", "timed out"),
    ],
)
def test_headers_that_never_end_are_given_up(
    web: Web, beginning: bytes, drop: bytes, reason: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_drip, args=(listener, beginning, drop), daemon=True)
        thread.start()

        with pytest.raises(TransientFetchError) as failed:
            web.ask(f"http://127.0.0.1:{listener.getsockname()[1]}/a")

        thread.join(5)
    assert failed.value.reason == reason
    assert not thread.is_alive()


def _drip(listener: socket.socket, beginning: bytes, drop: bytes) -> None:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(4096)
        connection.sendall(beginning)
        closed = threading.Event()
        while not closed.wait(0.05):
            connection.sendall(drop)


def test_a_pixel_bomb_is_refused_by_its_header(server: ImageServer, web: Web) -> None:
    bomb = bytearray(png())
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    server.script["/a"] = [Reply(body=bytes(bomb))]

    with pytest.raises(UnwantedError, match="a pixel bomb: more than 100000000 pixels"):
        web.ask(server.url("/a"))


def test_a_connection_goes_to_the_very_address_that_was_checked(server: ImageServer) -> None:
    """A name that a moment later stands for another address gains nothing by that."""
    answers = iter(["127.0.0.1", "10.0.0.7"])

    def rebinding(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 1, 6, "", (next(answers), port))]

    server.script["/a"] = [Reply(body=png())]
    web = Web(policy=POLICY, rule=LOOPBACK, clock=SystemClock(), lookup=rebinding)
    with contextlib.closing(web):
        url = server.url("/a").replace("127.0.0.1", "rebinds.invalid")
        assert web.ask(url) == Body(body=png(), content_type="image/png")

        assert server.hits[0].headers["host"].startswith("rebinds.invalid:")
        with pytest.raises(UnwantedError, match="private address 10"):
            web.ask(url.replace("rebinds", "also.rebinds"))


def test_no_host_is_brought_back_the_cookies_that_it_gave(server: ImageServer, web: Web) -> None:
    server.script["/a"] = [Reply(body=png(), headers={"Set-Cookie": "who=you; Path=/"})]

    for _ in range(2):
        web.ask(server.url("/a"))

    assert "cookie" not in server.hits[1].headers
