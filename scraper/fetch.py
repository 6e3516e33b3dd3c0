"""One request for one image, or for a robots.txt: bounded in time and size, judged by its bytes.

This module never waits, tries again or follows a redirect: `scraper.hosts` decides when.
"""

from __future__ import annotations

import base64
import binascii
import importlib.metadata
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from scraper.addresses import AddressRule, Lookup
from scraper.clock import Clock
from scraper.connections import GuardedAdapter
from scraper.errors import FetchError, TransientFetchError, UnwantedError
from scraper.policy import FetchPolicy, too_large
from scraper.robots import MAX_RULES_BYTES, opt_out
from scraper.sniff import image_type, other_kind, pixel_size

_CHUNK_BYTES: Final = 1 << 16
_HEAD_BYTES: Final = 1024
_TRANSIENT_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_DATA_URI: Final = re.compile(r"data:(?P<kind>[^,]{0,200}),(?P<data>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What came: the bytes, and what they are (empty where they are kept unjudged)."""

    body: bytes
    content_type: str = ""
    sha256: str = ""
    """What they are stored as, where that is done already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """The image is elsewhere."""

    url: str


class Web:
    """Asks web servers for images, over one set of kept-alive connections and one TLS context."""

    def __init__(
        self,
        *,
        policy: FetchPolicy,
        rule: AddressRule,
        clock: Clock,
        lookup: Lookup = socket.getaddrinfo,
    ) -> None:
        self._policy, self._clock = policy, clock
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update(
            {
                "User-Agent": user_agent(policy.contact),
                "Accept": "image/*,*/*;q=0.1",
                "Accept-Encoding": "identity",
            }
        )
        adapter = GuardedAdapter(rule, policy=policy, lookup=lookup)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def ask(self, url: str) -> Body | Redirect:
        """Ask for an image, with one request.

        Raises:
            FetchError: this image cannot be had.
            UnwantedError: it is no image, too large, opted out, or at an address that is not
                asked.
            TransientFetchError: another attempt may succeed.
        """
        if url.startswith("data:"):
            return in_data_uri(url)
        return self._ask(url, self._image)

    def ask_rules(self, url: str) -> Body | Redirect:
        """Ask for a robots.txt, with one request; what is too long is cut.

        Raises:
            FetchError: there is none.
            TransientFetchError: whether there is one cannot be known now.
        """
        return self._ask(url, self._rules)

    def _ask(self, url: str, read: Callable[[str, requests.Response], Body]) -> Body | Redirect:
        _check_address(url)
        try:
            timeout = self._policy.timeout_s
            with self._session.get(
                url, stream=True, allow_redirects=False, timeout=(timeout, timeout)
            ) as response:
                location = response.headers.get("Location", "")
                if response.status_code in {301, 302, 303, 307, 308} and location:
                    return Redirect(url=_joined(url, location))
                return read(url, response)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _network_error(url, error) from error
        except ValueError as error:  # What urllib3 says of hosts like "a..b".
            raise FetchError(url, "not a web address") from error

    def _image(self, url: str, response: requests.Response) -> Body:
        if response.status_code not in {200, 203}:
            raise _status_error(url, response, now=self._clock.now())
        headers = response.headers
        if wish := opt_out(
            response.raw.headers.getlist("X-Robots-Tag"), headers.get("TDM-Reservation", "")
        ):
            raise UnwantedError(url, f"opted out: {wish}")
        body = self._read(url, response)
        return Body(body=body, content_type=self._judged(url, body))

    def _rules(self, url: str, response: requests.Response) -> Body:
        code = response.status_code
        if not 200 <= code < 300:
            error = _status_error(url, response, now=self._clock.now())
            if code >= 500 and not isinstance(error, TransientFetchError):
                raise TransientFetchError(url, error.reason)
            raise error
        body = bytearray()
        for chunk in self._chunks(url, response):
            body += chunk
            if len(body) > MAX_RULES_BYTES:
                break
        return Body(body=bytes(body))

    def _read(self, url: str, response: requests.Response) -> bytes:
        """Take the body, giving up as soon as it is too long, too slow or no image."""
        stated = response.headers.get("Content-Length", "")
        expected = int(stated) if stated.isascii() and stated.isdigit() else None
        if expected is not None and expected > self._policy.max_bytes:
            raise self._too_large(url)
        chunks: list[bytes] = []
        size = 0
        for chunk in self._chunks(url, response):
            if not chunks and len(chunk) >= _HEAD_BYTES:
                self._judged(url, chunk)
            chunks.append(chunk)
            size += len(chunk)
            if size > self._policy.max_bytes:
                raise self._too_large(url)
        body = b"".join(chunks)
        is_encoded = "Content-Encoding" in response.headers
        if expected is not None and not is_encoded and len(body) < expected:
            raise TransientFetchError(url, f"truncated: {len(body)} of {expected} bytes")
        return body

    def _judged(self, url: str, body: bytes) -> str:
        """The media type of an image, whole or begun, that can be taken."""
        kind = image_type(body)
        if kind is None:
            raise _not_an_image(url, body)
        width, height = pixel_size(body) or (0, 0)
        if width * height > self._policy.max_pixels:
            raise UnwantedError(url, f"a pixel bomb: more than {self._policy.max_pixels} pixels")
        return kind

    def _chunks(self, url: str, response: requests.Response) -> Iterator[bytes]:
        started = self._clock.monotonic()
        try:
            while chunk := response.raw.read(_CHUNK_BYTES, decode_content=True):
                yield chunk
        except ReadTimeoutError as error:
            if self._clock.monotonic() - started < self._policy.total_s:
                raise
            reason = f"too slow: not done in {self._policy.total_s:g} s"
            raise TransientFetchError(url, reason) from error

    def _too_large(self, url: str) -> UnwantedError:
        return UnwantedError(url, too_large(self._policy.max_bytes))


def user_agent(contact: str) -> str:
    """Who we say we are, and where a host's owner finds out more or complains."""
    about = importlib.metadata.metadata("bestiary")
    home = [url.rpartition(", ")[2] for url in about.get_all("Project-URL") or []]
    return f"bestiary/{about['Version']} (+{contact or next(iter(home), 'bestiary')})"


def in_data_uri(url: str) -> Body:
    """Decode an image that is written into its address.

    Raises:
        UnwantedError: it cannot be decoded, or is no image.
    """
    match = _DATA_URI.match(url)
    if match is None:
        raise UnwantedError(_short(url), "not an image: a broken data: address")
    data = unquote_to_bytes(match["data"])
    if match["kind"].rstrip().lower().endswith(";base64"):
        try:
            data = base64.b64decode(data + b"=" * (-len(data) % 4))
        except (binascii.Error, ValueError) as error:
            raise UnwantedError(_short(url), "not an image: a broken data: address") from error
    kind = image_type(data)
    if kind is None:
        raise _not_an_image(_short(url), data)
    return Body(body=data, content_type=kind)


def retry_after_s(value: str, *, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date; None if neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError as error:
        raise FetchError(url, "not a web address") from error
    if not is_web:
        raise UnwantedError(_short(url), "refused: only http and https addresses are asked")


def _joined(url: str, location: str) -> str:
    try:
        # Servers send raw UTF-8 here, which the header parser reads as Latin-1.
        return urljoin(url, location.encode("latin-1", "replace").decode("utf-8", "replace"))
    except ValueError as error:
        raise FetchError(url, "redirected to what is not an address") from error


def _status_error(url: str, response: requests.Response, *, now: datetime) -> FetchError:
    code = response.status_code
    try:
        reason = f"HTTP {code} {HTTPStatus(code).phrase}"
    except ValueError:
        reason = f"HTTP {code}"
    if code not in _TRANSIENT_STATUSES:
        return FetchError(url, reason)
    wait_s = retry_after_s(response.headers.get("Retry-After", ""), now=now)
    return TransientFetchError(
        url, reason, retry_after_s=wait_s, is_host_trouble=code in {429, 503} or bool(wait_s)
    )


def _not_an_image(url: str, body: bytes) -> UnwantedError:
    return UnwantedError(url, f"not an image: {other_kind(body)}")


_MEANINGS: Final = (
    ("got more than", "its headers are too long", False),
    ("refused", "connection refused", True),
    ("unreachable", "the host cannot be reached", True),
    ("incomplete", "truncated: the connection ended early", False),
    ("", "the connection broke", False),
)
"""What an exception's text has in it, what that means, and whether the whole host is meant."""


def _network_error(url: str, error: Exception) -> FetchError:
    """Say in the user's words what a library's exception means."""
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return FetchError(url, "not a web address")
    if isinstance(error, requests.exceptions.SSLError):
        return FetchError(url, "no safe connection: its certificate is not valid")
    if isinstance(error, requests.Timeout | ReadTimeoutError | TimeoutError):
        return TransientFetchError(url, "timed out", is_host_trouble=True)
    text = str(error).lower()
    reason, is_host = next((reason, host) for mark, reason, host in _MEANINGS if mark in text)
    return TransientFetchError(url, reason, is_host_trouble=is_host)


def _short(url: str) -> str:
    return url if len(url) <= 100 else f"{url[:100]}…"
