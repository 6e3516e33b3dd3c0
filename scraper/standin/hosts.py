"""What a stand-in's hosts answer: the search host, and the hosts that the images lie on."""

from __future__ import annotations

import json
import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import PurePath
from urllib.parse import quote, urlencode
from zlib import compress, crc32

from scraper.errors import UsageError
from scraper.standin import pages
from scraper.standin.faults import Block, Faults, ImageFault
from scraper.standin.gallery import Gallery, Photo
from scraper.standin.layouts import Card
from scraper.standin.wire import Answer, Ask

CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jfif": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".avif": "image/avif",
    ".svg": "image/svg+xml",
}
_ASSET_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_PLAIN = "text/plain; charset=utf-8"
_SEARCH_ROBOTS = """\
User-agent: *
Disallow: /search
Allow: /search/about
Allow: /search/howsearchworks
Disallow: /imgres
"""
_INSIDE = "http://169.254.169.254/latest/meta-data/"
_TRICKLE_PIECES = 20
_PAD_BYTES = 2**16
_SITE_NAMES = (
    "Burrow & Hedge",
    "The Night Garden",
    "Field Notes Weekly",
    "Wayside Nature",
    "Small Paws Almanac",
    "Moss and Bramble",
    "Hedgerow Commons",
    "Dusk Watch",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How results come: at first, per batch, and how many until the button must be pressed."""

    first: int = 40
    batch: int = 24
    button_every: int = 160
    inline_thumbnails: int = 12
    """How many of the first thumbnails are sent inside the page."""

    def __post_init__(self) -> None:
        if min(self.first, self.batch, self.button_every) < 1:
            raise UsageError("a page needs at least one result at a time")

    def size(self, start: int) -> int:
        """How many results come at rank `start`."""
        return self.batch if start else self.first

    def needs_button(self, start: int, end: int) -> bool:
        """Whether the results after `end` wait for the button, those since `start` shown."""
        return start // self.button_every != end // self.button_every


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where things are: addresses of the form http://address:port, without a final slash."""

    search: str
    images: tuple[str, ...]

    def image_host(self, photo: Photo) -> str:
        """The host on which this photo lies, always the same."""
        return self.images[crc32(photo.docid.encode()) % len(self.images)]

    def image(self, photo: Photo) -> str:
        """Where the full-size image is."""
        return f"{self.image_host(photo)}/photos/{photo.docid}/{quote(os.fsencode(photo.name))}"

    def page(self, photo: Photo) -> str:
        """The page on which the image was found."""
        return f"{self.image_host(photo)}/pages/{photo.docid}/{quote(photo.species)}.html"

    def thumbnail(self, photo: Photo) -> str:
        """Where the search engine's own small copy is."""
        return f"{self.search}/images?q=tbn:ANd9Gc{photo.docid}&s"


class SearchHost:
    """Home, consent, results, thumbnails, and the page that turns everyone away."""

    def __init__(
        self,
        gallery: Gallery,
        addresses: Addresses,
        *,
        faults: Faults,
        paging: Paging,
        clock: Callable[[], float],
    ) -> None:
        self._gallery, self._addresses = gallery, addresses
        self._faults, self._paging = faults, paging
        self._places = faults.of_cards(photo.docid for photo in gallery.photos())
        self._block = Block(faults, clock)
        self._routes: Mapping[str, Callable[[Ask], Answer]] = {
            "/": self._home,
            "/search": self._search,
            "/search/more": self._more,
            "/images": self._thumbnail,
            "/imgres": self._image,
            "/consent/ml": self._consent,
            "/consent/save": self._save_consent,
            "/sorry/index": self._sorry,
            "/robots.txt": lambda _: Answer(body=_SEARCH_ROBOTS.encode(), content_type=_PLAIN),
            **{f"/xjs/{name}": self._asset for name in ("site.css", "results.js", "box.js")},
        }

    def respond(self, ask: Ask) -> Answer:
        """Answer one request."""
        route = self._routes.get(ask.path)
        return route(ask) if route else _error(404)

    def _home(self, ask: Ask) -> Answer:
        return self._ask_consent(ask) or _page(pages.home(self._gallery.species))

    def _search(self, ask: Ask) -> Answer:
        turned_away = self._turn_away(ask) or self._ask_consent(ask)
        if turned_away:
            return turned_away
        query = ask.query.get("q", "").strip()
        if not query:
            return _redirect("/")
        if ask.query.get("udm") != "2" and ask.query.get("tbm") != "isch":
            return _redirect(f"/search?{urlencode({**ask.query, 'udm': '2'})}")
        if self._faults.answer != "results":
            return self._instead(ask)
        cards, next_start = self._cards(query, self._first(ask))
        if not cards:
            return _page(pages.no_results(query))
        needs_overlay = self._faults.consent == "overlay" and "SOCS" not in ask.cookies
        return _page(
            pages.results(
                query,
                cards,
                next_start=next_start,
                has_button=self._has_button(0, next_start),
                has_overlay=needs_overlay,
                layout=self._faults.layout,
            )
        )

    def _first(self, ask: Ask) -> int:
        """The rank with which a page begins: only the basic layout has a second page."""
        start = _whole_number(ask.query.get("start", "")) if self._faults.layout == "basic" else 0
        return start or 0

    def _instead(self, ask: Ask) -> Answer:
        if self._faults.answer == "hang-up":
            return Answer(resets=True)
        return _page(pages.instead(self._faults.answer, ask.target))

    def _more(self, ask: Ask) -> Answer:
        if turned_away := self._turn_away(ask):
            return turned_away
        start = _whole_number(ask.query.get("start", ""))
        if start is None:
            return _error(400)
        query = ask.query.get("q", "")
        cards, next_start = self._cards(query, start)
        has_button = self._has_button(start, next_start)
        document = pages.batch(
            query,
            cards,
            next_start=next_start,
            has_button=has_button,
            layout=self._faults.layout,
        )
        return Answer(body=json.dumps(document).encode(), content_type="application/json")

    def _thumbnail(self, ask: Ask) -> Answer:
        photo = self._gallery.photo(ask.query.get("q", "").removeprefix("tbn:ANd9Gc"))
        if photo is None:
            return _error(404)
        jpeg = self._gallery.thumbnail(photo).jpeg
        cached = ("Cache-Control", "private, max-age=86400")
        return Answer(body=jpeg, content_type="image/jpeg", headers=(cached,))

    def _image(self, ask: Ask) -> Answer:
        photo = self._gallery.photo(ask.query.get("tbnid", ""))
        if photo is None:
            return _error(404)
        return _page(pages.image(self._card(photo, 0)))

    def _consent(self, ask: Ask) -> Answer:
        hidden = {
            "bl": "boq_identityfrontenduiserver",
            "x": "8",
            "gl": ask.query.get("gl", "DE"),
            "m": "0",
            "app": "0",
            "pc": "i",
            "hl": "en",
            "uxe": "none",
            "cm": "2",
        }
        return _page(pages.consent(self._own(ask.query.get("continue", "")), hidden))

    def _save_consent(self, ask: Ask) -> Answer:
        choice = "CAESHAgC" if ask.form.get("set_eom") == "false" else "CAESHAgB"
        cookie = f"SOCS={choice}EhJnd3Nf; Path=/; Max-Age=34128000; SameSite=Lax"
        return _redirect(self._own(ask.form.get("continue", "")), ("Set-Cookie", cookie))

    def _sorry(self, ask: Ask) -> Answer:
        continue_url = ask.query.get("continue") or ask.form.get("continue", "")
        if not self._block.is_on:
            return _redirect(self._own(continue_url))
        text = pages.sorry(
            continue_url,
            token=ask.query.get("q") or ask.form.get("q", ""),
            client=ask.client,
            time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
        return _page(text, status=429)

    @staticmethod
    def _asset(ask: Ask) -> Answer:
        name = ask.path.rpartition("/")[2]
        return Answer(body=pages.asset(name), content_type=_ASSET_TYPES[PurePath(name).suffix])

    def _turn_away(self, ask: Ask) -> Answer | None:
        if not self._block.turns_away():
            return None
        where = {"continue": self._addresses.search + ask.target, "q": "EgR_AAABGNC"}
        return _redirect(f"{self._addresses.search}/sorry/index?{urlencode(where)}")

    def _ask_consent(self, ask: Ask) -> Answer | None:
        is_asked = self._faults.consent == "interstitial" and "SOCS" not in ask.cookies
        if not (is_asked or self._faults.consent == "again"):
            return None
        where = {
            "continue": self._addresses.search + ask.target,
            "gl": "DE",
            "m": "0",
            "pc": "i",
            "hl": "en",
            "src": "1",
        }
        return _redirect(f"{self._addresses.search}/consent/ml?{urlencode(where)}")

    def _has_button(self, start: int, next_start: int | None) -> bool:
        return next_start is not None and self._paging.needs_button(start, next_start)

    def _own(self, url: str) -> str:
        """`url` if it is this host's own, and the home page otherwise."""
        return url if url.startswith(f"{self._addresses.search}/") else "/"

    def _cards(self, query: str, start: int) -> tuple[list[Card], int | None]:
        """The results from rank `start`, and where the next ones begin, if there are any."""
        found = self._gallery.search(query)
        end = start + self._paging.size(start)
        cards = [
            self._card(photo, rank) for rank, photo in enumerate(found[start:end], start=start)
        ]
        return cards, end if end < len(found) else None

    def _card(self, photo: Photo, rank: int) -> Card:
        width, height = self._gallery.size(photo)
        scale = min(1.0, 256 / max(width, height))
        is_inline = rank < self._paging.inline_thumbnails
        return Card(
            rank=rank,
            docid=photo.docid,
            image_url=self._addresses.image(photo),
            page_url=self._addresses.page(photo),
            thumbnail_url=self._addresses.thumbnail(photo),
            title=_title(photo),
            site_name=_site_name(photo),
            domain=self._addresses.image_host(photo).partition("//")[2],
            width=width,
            height=height,
            thumbnail_width=max(1, round(width * scale)),
            thumbnail_height=max(1, round(height * scale)),
            size_bytes=self._gallery.size_bytes(photo),
            thumbnail_jpeg=self._gallery.thumbnail(photo).jpeg if is_inline else None,
            address_in=self._places.get(photo.docid, "page"),
        )


class ImageHost:
    """Full-size images with their faults, and the pages on which they were found."""

    def __init__(
        self,
        gallery: Gallery,
        addresses: Addresses,
        *,
        faults: Faults,
        pause: Callable[[float], object],
    ) -> None:
        self._gallery, self._addresses = gallery, addresses
        self._faults, self._pause = faults, pause
        self.struck = faults.of_images(photo.docid for photo in gallery.photos())
        self._lock = threading.Lock()
        self._busy_answers: Counter[str] = Counter()
        self._spoil: Mapping[ImageFault, Callable[[Photo, bytes], Answer]] = {
            "429": self._busy,
            "503": self._busy,
            "slow": self._slow,
            "truncated": self._truncated,
            "html": self._html,
            "loop": self._loop,
            "wrong_type": self._wrong_type,
            "dead": lambda *_: _error(404),
            "reset": lambda *_: Answer(resets=True),
            "oversized": self._oversized,
            "opt_out": self._opted_out,
            "reserved": self._reserved,
            "hotlink": lambda *_: _error(403),
            "private": lambda *_: _redirect(_INSIDE),
            "bomb": lambda *_: Answer(body=_bomb(), content_type="image/png"),
            "slow_headers": self._slow_headers,
        }

    def respond(self, ask: Ask) -> Answer:
        """Answer one request."""
        if ask.path == "/robots.txt":
            return self._robots()
        kind, _, rest = ask.path.removeprefix("/").partition("/")
        photo = self._gallery.photo(rest.partition("/")[0])
        if photo is None or kind not in {"photos", "pages"}:
            return _error(404)
        return self._source_page(photo) if kind == "pages" else self._picture(photo)

    def _robots(self) -> Answer:
        faults = self._faults
        rules = f"Disallow: {faults.disallow}" if faults.disallow else "Allow: /"
        delay = f"Crawl-delay: {faults.crawl_delay_s:g}\n" if faults.crawl_delay_s else ""
        text = f"User-agent: *\n{rules}\n{delay}"
        return Answer(body=text.encode(), status=faults.robots_status, content_type=_PLAIN)

    def _source_page(self, photo: Photo) -> Answer:
        text = pages.source(
            title=_title(photo),
            site_name=_site_name(photo),
            image_url=self._addresses.image(photo),
        )
        return _page(text)

    def _picture(self, photo: Photo) -> Answer:
        try:
            body = self._gallery.path(photo).read_bytes()
        except OSError:  # Deleted since the site opened: gone for its visitors, too.
            return _error(404)
        fault = self.struck.get(photo.docid)
        return self._spoil[fault](photo, body) if fault else _well(photo, body)

    def _busy(self, photo: Photo, body: bytes) -> Answer:
        with self._lock:
            self._busy_answers[photo.docid] += 1
            if self._busy_answers[photo.docid] > self._faults.busy_answers:
                return _well(photo, body)
        if self.struck[photo.docid] == "503":
            return _error(503)
        return _error(429, ("Retry-After", str(self._faults.retry_after_s)))

    def _slow(self, photo: Photo, body: bytes) -> Answer:
        return replace(_well(photo, body), body=self._trickle(body), promised_bytes=len(body))

    def _trickle(self, body: bytes) -> Iterator[bytes]:
        step = max(1, -(-len(body) // _TRICKLE_PIECES))
        for start in range(0, len(body), step):
            self._pause(self._faults.slow_s / _TRICKLE_PIECES)
            yield body[start : start + step]

    def _truncated(self, photo: Photo, body: bytes) -> Answer:
        half = [body[: len(body) // 2]]
        return replace(_well(photo, body), body=half, promised_bytes=len(body) + 1, hangs_up=True)

    def _html(self, photo: Photo, _: bytes) -> Answer:
        return replace(self._source_page(photo), content_type=_content_type(photo))

    def _loop(self, photo: Photo, _: bytes) -> Answer:
        return _redirect(self._addresses.image(photo))

    def _wrong_type(self, photo: Photo, body: bytes) -> Answer:
        others = ("application/octet-stream", "image/png", "image/jpeg")
        lies = [lie for lie in others if lie != _content_type(photo)]
        return replace(_well(photo, body), content_type=lies[crc32(photo.docid.encode()) % 2])

    def _oversized(self, photo: Photo, body: bytes) -> Answer:
        return replace(_well(photo, body), body=self._pad(body))

    def _opted_out(self, photo: Photo, body: bytes) -> Answer:
        return replace(_well(photo, body), headers=(("X-Robots-Tag", "noai, noimageai"),))

    def _reserved(self, photo: Photo, body: bytes) -> Answer:
        return replace(_well(photo, body), headers=(("tdm-reservation", "1"),))

    def _slow_headers(self, *_: object) -> Answer:
        return Answer(raw=self._drip())

    def _drip(self) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while not self._pause(self._faults.slow_s / _TRICKLE_PIECES):
            yield b"X-More: to come\r\n"

    def _pad(self, body: bytes) -> Iterator[bytes]:
        yield body
        for start in range(len(body), self._faults.oversized_bytes, _PAD_BYTES):
            yield bytes(min(_PAD_BYTES, self._faults.oversized_bytes - start))


def _bomb() -> bytes:
    """A PNG of 50,000 by 50,000 pixels, all of them in a handful of bytes."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", compress(bytes(1 << 20))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))
        for name, data in chunks
    )


def _well(photo: Photo, body: bytes) -> Answer:
    return Answer(body=body, content_type=_content_type(photo))


def _page(text: str, *, status: int = 200) -> Answer:
    return Answer(body=text.encode(), status=status)


def _redirect(url: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status=302, headers=(("Location", url), *headers))


def _error(status: int, *headers: tuple[str, str]) -> Answer:
    phrase = HTTPStatus(status).phrase
    text = f"<!doctype html><title>{status} {phrase}</title><h1>{phrase}</h1>"
    return Answer(status=status, body=text.encode(), headers=headers)


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _content_type(photo: Photo) -> str:
    return CONTENT_TYPES.get(PurePath(photo.name).suffix.lower(), "application/octet-stream")


def _title(photo: Photo) -> str:
    stem = os.fsencode(PurePath(photo.name).stem).decode("utf-8", "replace")
    return f"{photo.species.capitalize()}, {stem.replace('_', ' ')}"


def _site_name(photo: Photo) -> str:
    return _SITE_NAMES[crc32(photo.docid.encode()) % len(_SITE_NAMES)]
