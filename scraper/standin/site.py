"""A stand-in image-search site on loopback, over a folder of class folders.

    with Site(Path("pictures"), faults=Faults(share_429=0.1)) as site:
        requests.get(f"{site.base_url}/search?q=dog&udm=2&hl=en")
        print(site.log)

The search host is 127.0.0.1; images lie on 127.0.0.2, 127.0.0.3, … at the same port, so
that what a client does per host can be seen in the log. Where a platform has only one
loopback address (macOS), the image hosts are further ports of 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from scraper.errors import UsageError
from scraper.standin.faults import Faults, ImageFault
from scraper.standin.gallery import Gallery
from scraper.standin.hosts import Addresses, ImageHost, Paging, SearchHost
from scraper.standin.wire import Acceptor, Answer, Ask, Listener, Request, RequestLog

MAX_IMAGE_HOSTS = 250
_PORT_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One picture as the site offers it, for tests that must know what is behind an address."""

    docid: str
    species: str
    path: Path
    image_url: str
    page_url: str
    thumbnail_url: str
    fault: ImageFault | None


class Site:
    """The running site; `close`, or leaving the `with` block, ends all of it.

    Raises:
        UsageError: there is nothing to serve in `pictures`, or the port is taken.
    """

    address_range = "127.0.0.0/8"
    """Every address of the site lies in here."""

    def __init__(
        self,
        pictures: Path,
        *,
        faults: Faults | None = None,
        paging: Paging | None = None,
        image_hosts: int = 4,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 1 <= image_hosts <= MAX_IMAGE_HOSTS:
            raise UsageError(f"image hosts must be 1 to {MAX_IMAGE_HOSTS}, not {image_hosts}")
        self.faults = faults or Faults()
        self.gallery = Gallery(pictures)
        self._log, self._closing = RequestLog(), threading.Event()
        self._listeners = _listen(image_hosts, port, self._log)
        dead = self._listeners[1 : 1 + self.faults.dead_hosts]
        urls = [f"http://{listener.authority}" for listener in self._listeners]
        self._addresses = Addresses(search=urls[0], images=tuple(urls[1:]))
        for listener in dead:
            listener.server_close()
            self._listeners.remove(listener)
        self._open(paging or Paging(), clock)

    def _open(self, paging: Paging, clock: Callable[[], float]) -> None:
        search = SearchHost(
            self.gallery, self._addresses, faults=self.faults, paging=paging, clock=clock
        )
        self._images = ImageHost(
            self.gallery, self._addresses, faults=self.faults, pause=self._closing.wait
        )
        for listener in self._listeners:
            listener.respond = self._images.respond
        self._listeners[0].respond = search.respond
        self._acceptor = Acceptor(self._listeners)

    @property
    def base_url(self) -> str:
        """The address of the search host, without a final slash."""
        return self._addresses.search

    @property
    def image_hosts(self) -> tuple[str, ...]:
        """The addresses of the hosts that the images lie on."""
        return self._addresses.images

    @property
    def log(self) -> list[Request]:
        """Every request so far, in the order in which the answers began."""
        return self._log.snapshot()

    def search_url(self, query: str) -> str:
        """The results page for a query."""
        return f"{self.base_url}/search?{urlencode({'q': query, 'udm': '2', 'hl': 'en'})}"

    def offers(self, species: str | None = None) -> Iterator[Offer]:
        """What the site offers of one species, or of all, in the order of the results."""
        for photo in self.gallery.photos(species):
            yield Offer(
                docid=photo.docid,
                species=photo.species,
                path=self.gallery.path(photo),
                image_url=self._addresses.image(photo),
                page_url=self._addresses.page(photo),
                thumbnail_url=self._addresses.thumbnail(photo),
                fault=self._images.struck.get(photo.docid),
            )

    def close(self) -> None:
        """Hang up on everyone and end all threads; closing twice does nothing more."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._acceptor.close()
        for listener in self._listeners:
            listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _listen(image_hosts: int, port: int, log: RequestLog) -> list[Listener]:
    """Listen on the search host's address and on every image host's, at one port."""
    for _ in range(_PORT_ATTEMPTS):
        try:
            return _listen_at(image_hosts, port, log)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UsageError(f"cannot listen on loopback: {error.strerror}") from error
            if port:
                break
    raise UsageError(f"port {port} is taken: choose another, or 0 for any that is free")


def _listen_at(image_hosts: int, port: int, log: RequestLog) -> list[Listener]:
    with contextlib.ExitStack() as stack:
        listeners = [_listener("127.0.0.1", port, log)]
        stack.callback(listeners[0].server_close)
        shared_port = listeners[0].server_port
        for number in range(2, image_hosts + 2):
            listeners.append(_image_listener(f"127.0.0.{number}", shared_port, log))
            stack.callback(listeners[-1].server_close)
        stack.pop_all()
    return listeners


def _image_listener(address: str, port: int, log: RequestLog) -> Listener:
    try:
        return _listener(address, port, log)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        return _listener("127.0.0.1", 0, log)


def _listener(address: str, port: int, log: RequestLog) -> Listener:
    return Listener((address, port), _unready, log)


def _unready(_: Ask) -> Answer:
    return Answer(status=503)
