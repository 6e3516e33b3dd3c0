"""Connections that go only where they may, and that no server holds for ever.

Every connection is opened to an address that was checked, and every answer is bounded: its
headers in time and size, and all of it in the bytes that are taken off the wire. One TLS
context serves all hosts, since to read the machine's certificates anew costs more than to
fetch an image.
"""

from __future__ import annotations

import http.client
import io
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from scraper.addresses import AddressRule, Lookup, Resolved, resolve
from scraper.policy import FetchPolicy

MAX_HEADER_BYTES: Final = 64 * 1024
_HOSTS_KEPT: Final = 1024


class GuardedAdapter(HTTPAdapter):
    """Connects only where the rule allows, and to the very address that was checked."""

    def __init__(self, rule: AddressRule, *, policy: FetchPolicy, lookup: Lookup) -> None:
        self._rule, self._policy, self._lookup = rule, policy, lookup
        self._context = ssl.create_default_context()
        self._context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        super().__init__(pool_connections=_HOSTS_KEPT, pool_maxsize=policy.workers, max_retries=0)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002
        """Let the one context verify, instead of reading all authorities for each connection."""
        conn.cert_reqs = "CERT_REQUIRED"

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Give every pool the one TLS context and the guarded connections."""
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)
        places = partial(resolve, rule=self._rule, lookup=self._lookup)
        bounded = _bounded_by(self._policy)

        class GuardedHTTPConnection(HTTPConnection):
            response_class = bounded

            def _new_conn(self) -> Any:
                return _connect(self, super()._new_conn, places)

        class GuardedHTTPSConnection(HTTPSConnection):
            response_class = bounded

            def _new_conn(self) -> Any:
                return _connect(self, super()._new_conn, places)

        class HTTPPool(HTTPConnectionPool):
            ConnectionCls = GuardedHTTPConnection

        class HTTPSPool(HTTPSConnectionPool):
            ConnectionCls = GuardedHTTPSConnection

        self.poolmanager.pool_classes_by_scheme = {"http": HTTPPool, "https": HTTPSPool}


def _connect(
    connection: HTTPConnection, new_connection: Any, resolved: Callable[..., Sequence[Resolved]]
) -> Any:
    """Open a socket to the first checked address of a host that answers."""
    host, port = connection.host.strip("[]"), connection.port
    places = resolved(host, port, url=f"//{host}:{port}/")
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


def _bounded_by(policy: FetchPolicy) -> type[http.client.HTTPResponse]:
    """The class of answers that keep to a policy."""

    class BoundedResponse(http.client.HTTPResponse):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            raw = self.fp.detach()
            self._wire = _BoundedWire(raw, policy)
            self.fp = io.BufferedReader(self._wire)

        def begin(self) -> None:
            super().begin()
            self._wire.end_headers()

    return BoundedResponse


class _BoundedWire(io.RawIOBase):
    """The bytes of one answer: its headers have to come soon and to be few, its body in time."""

    def __init__(self, raw: io.RawIOBase, policy: FetchPolicy) -> None:
        self._raw, self._total_s = raw, policy.total_s
        self._until = time.monotonic() + policy.timeout_s
        self._header_bytes: int | None = 0

    def end_headers(self) -> None:
        """From here on it is the body: whoever reads it counts, and time alone is bounded."""
        self._header_bytes = None
        self._until = time.monotonic() + self._total_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._raw.readinto(buffer)
        if self._header_bytes is not None:
            self._header_bytes += count or 0
            if self._header_bytes > MAX_HEADER_BYTES:
                raise http.client.LineTooLong("headers")
        if time.monotonic() > self._until:
            raise TimeoutError("an answer that takes too long")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
