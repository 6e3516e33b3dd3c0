"""One request for one image: bounded in time and size, judged by the bytes that come.

This module never waits, tries again or follows a redirect: `scraper.hosts` decides when.
"""

from __future__ import annotations

import base64
import binascii
import importlib.metadata
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError

from scraper.addresses import AddressRule, resolve
from scraper.clock import Clock
from scraper.errors import FetchError, TransientFetchError, UnwantedError
from scraper.policy import FetchPolicy
from scraper.sniff import image_type, other_kind

_CHUNK_BYTES: Final = 1 << 16
_HEAD_BYTES: Final = 1024
_TRANSIENT_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_DATA_URI: Final = re.compile(r"data:(?P<kind>[^,]{0,200}),(?P<data>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What came: the bytes, and what they are (empty where they are kept unjudged)."""

    body: bytes
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """The image is elsewhere."""

    url: str


class Web:
    """Asks web servers for images, over one set of kept-alive connections and one TLS context."""

    def __init__(self, *, policy: FetchPolicy, rule: AddressRule, clock: Clock) -> None:
        self._policy, self._clock = policy, clock
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update(
            {
                "User-Agent": user_agent(policy.contact),
                "Accept": "image/*,*/*;q=0.1",
                "Accept-Encoding": "identity",
            }
        )
        adapter = _GuardedAdapter(rule, pool_size=policy.workers)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def ask(self, url: str) -> Body | Redirect:
        """Send one request.

        Raises:
            FetchError: this image cannot be had.
            UnwantedError: it is no image, too large, or at an address that is not asked.
            TransientFetchError: another attempt may succeed.
        """
        if url.startswith("data:"):
            return in_data_uri(url)
        _check_address(url)
        try:
            timeout = self._policy.timeout_s
            with self._session.get(
                url, stream=True, allow_redirects=False, timeout=(timeout, timeout)
            ) as response:
                return self._answer(url, response)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _network_error(url, error) from error
        except ValueError as error:  # What urllib3 says of hosts like "a..b".
            raise FetchError(url, "not a web address") from error

    def _answer(self, url: str, response: requests.Response) -> Body | Redirect:
        location = response.headers.get("Location", "")
        if response.status_code in {301, 302, 303, 307, 308} and location:
            return Redirect(url=_joined(url, location))
        if response.status_code not in {200, 203}:
            raise _status_error(url, response, now=self._clock.now())
        body = self._read(url, response)
        kind = image_type(body)
        if kind is None:
            raise _not_an_image(url, body)
        return Body(body=body, content_type=kind)

    def _read(self, url: str, response: requests.Response) -> bytes:
        """Take the body, giving up as soon as it is too long, too slow or no image."""
        stated = response.headers.get("Content-Length", "")
        expected = int(stated) if stated.isascii() and stated.isdigit() else None
        if expected is not None and expected > self._policy.max_bytes:
            raise self._too_large(url)
        body = bytearray()
        is_judged = False
        for chunk in self._chunks(url, response):
            body += chunk
            if len(body) > self._policy.max_bytes:
                raise self._too_large(url)
            if not is_judged and len(body) >= _HEAD_BYTES:
                is_judged = True
                if image_type(bytes(body)) is None:
                    raise _not_an_image(url, bytes(body))
        is_encoded = "Content-Encoding" in response.headers
        if expected is not None and not is_encoded and len(body) < expected:
            raise TransientFetchError(url, f"truncated: {len(body)} of {expected} bytes")
        return bytes(body)

    def _chunks(self, url: str, response: requests.Response) -> Iterator[bytes]:
        started = self._clock.monotonic()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            yield chunk
            if self._clock.monotonic() - started > self._policy.total_s:
                raise TransientFetchError(url, f"too slow: not done in {self._policy.total_s:g} s")

    def _too_large(self, url: str) -> UnwantedError:
        return UnwantedError(url, f"too large: more than {self._policy.max_bytes} bytes")


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


class _GuardedAdapter(HTTPAdapter):
    """Connects only where the rule allows, and to the very address that was checked."""

    def __init__(self, rule: AddressRule, *, pool_size: int) -> None:
        self._rule = rule
        self._context = ssl.create_default_context()
        super().__init__(pool_connections=1024, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Give every pool the one TLS context and the guarded connections."""
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)
        rule = self._rule

        class GuardedHTTPConnection(HTTPConnection):
            def _new_conn(self) -> Any:
                return _connect(self, super()._new_conn, rule)

        class GuardedHTTPSConnection(HTTPSConnection):
            def _new_conn(self) -> Any:
                return _connect(self, super()._new_conn, rule)

        class HTTPPool(HTTPConnectionPool):
            ConnectionCls = GuardedHTTPConnection

        class HTTPSPool(HTTPSConnectionPool):
            ConnectionCls = GuardedHTTPSConnection

        self.poolmanager.pool_classes_by_scheme = {"http": HTTPPool, "https": HTTPSPool}


def _connect(connection: HTTPConnection, new_connection: Any, rule: AddressRule) -> Any:
    """Open a socket to the first checked address of a host that answers."""
    host, port = connection.host.strip("[]"), connection.port
    places = resolve(host, port, rule, url=f"//{host}:{port}/")
    name = connection._dns_host
    for place, (_, address) in enumerate(places, 1):
        connection._dns_host = address  # The name stays what TLS and the Host header check.
        try:
            return new_connection()
        except (HTTPError, OSError):
            if place == len(places):
                raise
        finally:
            connection._dns_host = name
    raise AssertionError("a host resolves to at least one address")
