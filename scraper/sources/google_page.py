"""A results page of Google Images, as text: its candidates, and what kind of page it is.

Class names change every few months, so none is read. What has stayed for years is: records
in the scripts that name each image by a docid, attributes that carry the same docid
(`data-docid`, `data-tbnid`, `id`), `data-lpage`, and links to `/imgres?imgurl=`. A card is
whatever element carries one of these; the record with its docid says the rest.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from html import unescape
from itertools import islice
from typing import Final
from urllib.parse import parse_qs, urlsplit

from scraper.harvest import Candidate
from scraper.sources.image_address import (
    clean,
    full_size,
    is_google,
    is_thumbnail,
    names_a_picture,
    web_address,
)
from scraper.sources.image_records import ImageRecord, docid, in_script, in_text, pixels, unquoted
from scraper.sources.likely_records import likely_records
from scraper.sources.markup import TEXT, Element, Markup
from scraper.sources.page_kind import PageKind, kind_of

__all__ = ["PageKind", "bare_cards", "classify", "layout", "parse"]

_DOCID_ATTRIBUTES: Final = ("data-docid", "data-tbnid")
_MIN_DOCID_LENGTH: Final = 6
"""Shorter values are found in attributes that mean something else."""
_MIN_CARDS: Final = 3
"""Fewer may be a decoration of a page that is something else."""
_MAX_CARD_DEPTH: Final = 14
_MAX_CARD_ELEMENTS: Final = 60
_MAX_ICON_SIDE_PX: Final = 32
_PLACEHOLDER: Final = "data:image/gif;base64,R0lGODlhAQABA"

_INLINE_BY_IDS = re.compile(
    r"(?P<quote>['\"])(?P<data>data:image[^'\"]*+)(?P=quote)[^'\"\[\]]{0,80}+"
    r"\[(?P<ids>[^\]]{1,400}+)\]"
)
_INLINE_BY_ID = re.compile(
    r"\(\s*+['\"](?P<ids>[^'\"]{1,80}+)['\"]\s*+,\s*+['\"](?P<data>data:image[^'\"]*+)['\"]"
)
_STYLED_SIDES = re.compile(r"(?<![-\w])(?:width|height)\s*:\s*(\d{1,5})(?:\.\d+)?px")
_RECORD_IN_TEXT = re.compile(
    r"""(?:"|&quot;|&#34;)ou(?:"|&quot;|&#34;)|\[\s*(?:"|&quot;|&#34;)http"""
)
_QUOTED = re.compile(r"['\"]([^'\"]*+)['\"]")


def parse(html: str) -> list[Candidate]:
    """Read every image that a results page offers, in the order of its cards.

    Images that only the page's scripts know of come last. No image is named twice, and no
    thumbnail's address is ever given as an `image_url`. Never raises, whatever `html` is.
    """
    markup = Markup(html)
    return _candidates(markup)


def classify(html: str, url: str) -> PageKind:
    """Say what kind of page came back, from the final address and the page's structure.

    Results are what `parse` can read: cards of which nothing is known are an unknown layout.
    """
    markup = Markup(html)
    is_read = bool(_candidates(markup))
    kind = kind_of(markup, url, offers_images=is_read or _shows_cards(markup))
    return PageKind.UNKNOWN if kind is PageKind.RESULTS and not is_read else kind


def bare_cards(html: str) -> dict[str, Candidate]:
    """The results whose full-size address is nowhere in the page, by the docid of their card."""
    markup = Markup(html)
    cards = _found_cards(markup).found
    read = partial(_candidate, is_turned=False)
    return {card.docid: read(card) for card in cards if card.docid and _lacks_address(card)}


def layout(html: str) -> str:
    """Say where the page keeps the addresses of most of its images.

    `records` in its scripts, `links` to them, `likely` records of an unknown shape,
    `thumbnails` where only previews are known, `none` where there is nothing.
    """
    cards = _found_cards(Markup(html))
    records = list(cards.records.values())
    if not (cards.found or records):
        return "none"
    found = Counter(map(_tier, cards.found or [_Card(record=record) for record in records]))
    return found.most_common(1)[0][0]


def _tier(card: _Card) -> str:
    if card.record is not None and card.record.image_url:
        return "likely" if card.record.is_likely else "records"
    return "thumbnails" if _lacks_address(card) else "links"


def _shows_cards(markup: Markup) -> bool:
    """Whether there are results on the page, even if nothing is known of them yet."""
    named = (e for e in markup.elements if "data-docid" in e.raw and e.name != TEXT)
    docids = {docid(element.get("data-docid")) for element in named} - {""}
    return len(docids) >= _MIN_CARDS


@dataclass(slots=True)
class _Card:
    """One result as the page's elements show it, gathered while walking over them."""

    docid: str = ""
    record: ImageRecord | None = None
    lpage: str = ""
    links: list[str] = field(default_factory=list)
    thumbnails: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    stated: tuple[int | None, int | None] = (None, None)
    shown: tuple[int, int] | None = None


def _found_cards(markup: Markup) -> _Cards:
    records = _records(markup)
    cards = _Cards(markup, records)
    cards.walk()
    if any(map(_lacks_address, cards.found)) or not (cards.found or records):
        cards = _with_likely_records(cards)
    if not (cards.found or cards.records):
        cards.found = list(_likely_cards(markup))
    return cards


def _candidates(markup: Markup) -> list[Candidate]:
    cards = _found_cards(markup)
    used = {id(card.record) for card in cards.found}
    left = (record for record in cards.records.values() if id(record) not in used)
    rest = [_Card(record=record) for record in left if not record.is_likely or not cards.found]
    read = partial(_candidate, is_turned=_are_turned(cards.found))
    return list(_first_of_each(map(read, cards.found + rest)))


def _records(markup: Markup) -> dict[str, ImageRecord]:
    """The page's records by docid; one without a docid goes by its address."""
    found = [record for script in markup.scripts for record in in_script(script)]
    for text in _record_texts(markup):
        found += [one] if (one := in_text(text)) else in_script(text)
    return _by_name(found)


def _record_texts(markup: Markup) -> Iterator[str]:
    """Records that lie in elements: as their text, or as the value of an attribute."""
    for element in markup.elements:
        if not _RECORD_IN_TEXT.search(element.raw):
            continue
        values = [_plain(element.raw)] if element.name == TEXT else element.attributes.values()
        yield from (value for value in values if _RECORD_IN_TEXT.search(value))


def _by_name(found: Iterable[ImageRecord]) -> dict[str, ImageRecord]:
    named: dict[str, ImageRecord] = {}
    for record in found:
        key = record.docid or record.image_url or record.thumbnail_url
        known = named.get(key)
        named[key] = _joined(known, record) if known else record
    return named


def _lacks_address(card: _Card) -> bool:
    is_known = card.record is not None and bool(card.record.image_url)
    return not is_known and not any(
        _link(href).image_url or names_a_picture(href) for href in card.links
    )


def _with_likely_records(cards: _Cards) -> _Cards:
    """The cards once more, with what scripts of an unknown shape seem to say of them."""
    names = {card.docid for card in cards.found if card.docid and _lacks_address(card)}
    known = {record.image_url for record in cards.records.values()}
    likely = (
        replace(record, is_likely=True)
        for record in likely_records(cards.markup.scripts, names)
        if record.image_url not in known
    )
    added = _by_name(likely)
    if not added:
        return cards
    again = _Cards(cards.markup, _by_name((*cards.records.values(), *added.values())))
    again.walk()
    return again


def _plain(text: str) -> str:
    return unescape(text).strip()


def _joined(first: ImageRecord, second: ImageRecord) -> ImageRecord:
    """The first record, with the gaps filled from the second."""
    if not first.image_url and second.image_url:
        first, second = second, first
    gaps = {
        name: getattr(second, name)
        for name in ("image_url", "thumbnail_url", "page_url", "title")
        if not getattr(first, name)
    }
    return replace(first, **gaps)


class _Cards:
    """The cards of a page, found in one walk over its elements.

    Each element belongs to the innermost card around it.
    """

    def __init__(self, markup: Markup, records: dict[str, ImageRecord]) -> None:
        self.markup, self.records = markup, records
        self.found: list[_Card] = []
        self._by_docid: dict[str, _Card] = {}

    def walk(self) -> None:
        inline = _inline_thumbnails(self.markup.scripts)
        owners: list[_Card | None] = [None]
        for element in self.markup.elements[1:]:
            owner = owners[element.parent]
            if element.name != TEXT:
                owner = self._owner(element, owner)
            owners.append(owner)
            if owner is not None:
                _note(element, owner, inline)
        self._join_by_thumbnail()
        self._read_captions(owners)

    def _owner(self, element: Element, around: _Card | None) -> _Card | None:
        """The card that begins at an element, or else the one around it."""
        name = _docid_of(element, self.records)
        if not name:
            is_another = around is None or _leads_elsewhere(element, around)
            return (self._nameless(element) or around) if is_another else around
        if name in self._by_docid:
            return self._by_docid[name]
        if around is not None and not around.docid:
            return self._name(around, name)
        return self._begin(name)

    def _nameless(self, element: Element) -> _Card | None:
        """The card of an element without a docid, if it is a result at all."""
        if _begins_nameless_card(element, self.markup):
            return self._begin("")
        target = _link(element.get("href")).page_url if element.name == "a" else ""
        if target and self.found and target == _page_of(self.found[-1]):
            return self.found[-1]  # The same page again: the caption under the picture.
        return None

    def _begin(self, name: str) -> _Card:
        card = _Card()
        self.found.append(card)
        return self._name(card, name) if name else card

    def _name(self, card: _Card, name: str) -> _Card:
        card.docid, card.record = name, self.records.get(name)
        self._by_docid[name] = card
        return card

    def _read_captions(self, owners: list[_Card | None]) -> None:
        """Take the texts beside a card that has none, as far as no other card is near."""
        begun: dict[int, Element] = {}
        for element, owner in zip(self.markup.elements, owners, strict=True):
            if owner is not None:
                begun.setdefault(id(owner), element)
        for card in self.found:
            if not _title(card) and not (card.record and card.record.title):
                for around in islice(self.markup.ancestors(begun[id(card)]), 1, 4):
                    texts = self._lone_texts(around, card, owners)
                    card.texts += texts
                    if texts:
                        break

    def _lone_texts(self, around: Element, card: _Card, owners: list[_Card | None]) -> list[str]:
        """The texts in an element; none where it holds another card, or far too much."""
        inside = self.markup.elements[
            around.index + 1 : min(around.end, around.index + _MAX_CARD_ELEMENTS)
        ]
        if around.end - around.index > _MAX_CARD_ELEMENTS or any(
            owners[one.index] not in (None, card) for one in inside
        ):
            return []
        return [one.raw for one in inside if one.name == TEXT]

    def _join_by_thumbnail(self) -> None:
        """Give cards that no docid joined the record that shows the same preview."""
        by_preview = {_preview(one.thumbnail_url): one for one in self.records.values()}
        for card in self.found:
            if card.record is None:
                previews = map(_preview, card.thumbnails)
                card.record = next((by_preview[one] for one in previews if one in by_preview), None)


def _likely_cards(markup: Markup) -> Iterator[_Card]:
    """Results that no attribute tells: a preview, alone with a link to somebody else's page."""
    inline = _inline_thumbnails(markup.scripts)
    previews = [one for one in markup.named("img") if _is_likely_preview(one, inline)]
    places = [one.index for one in previews]
    found = [_likely_card(markup, preview, places, inline) for preview in previews]
    results = [card for card in found if _page(card, [_link(href) for href in card.links])]
    yield from results if len(results) >= _MIN_CARDS else ()


def _is_likely_preview(image: Element, inline: dict[str, str]) -> bool:
    is_set_later = any(image.get(name) in inline for name in ("id", "data-iid") if image.get(name))
    return is_set_later or any("tbn:" in image.get(name) for name in ("src", "data-src"))


def _likely_card(
    markup: Markup, preview: Element, places: list[int], inline: dict[str, str]
) -> _Card:
    """What the widest element around a preview says that holds no other preview."""
    home, card = preview, _Card()
    for around in islice(markup.ancestors(preview), 1, _MAX_CARD_DEPTH):
        is_alone = bisect_left(places, around.end) - bisect_left(places, around.index) == 1
        if not is_alone or around.end - around.index > _MAX_CARD_ELEMENTS:
            break
        home = around
    for element in markup.elements[home.index : home.end]:
        _note(element, card, inline)
    return card


def _docid_of(element: Element, records: dict[str, ImageRecord]) -> str:
    raw = element.raw
    if "data-" not in raw and "id" not in raw:
        return ""
    attributes = element.attributes
    for name in _DOCID_ATTRIBUTES:
        if value := docid(attributes.get(name)):
            return value
    for name, value in attributes.items():
        is_name = name == "id" or name.startswith("data-")
        if is_name and len(value) >= _MIN_DOCID_LENGTH and value.rstrip(":") in records:
            return value.rstrip(":")
    return ""


def _begins_nameless_card(element: Element, markup: Markup) -> bool:
    """Whether an element without a docid is a result all the same."""
    if web_address(element.get("data-lpage")):
        return True
    if element.name != "a":
        return False
    link = _link(element.get("href"))
    return bool(link.image_url) or (
        (bool(link.page_url) or _opens_a_picture(element))
        and any(_shows_thumbnail(inner) for inner in markup.inside(element))
    )


def _leads_elsewhere(element: Element, card: _Card) -> bool:
    """Whether an element in a card is a result of its own: somebody forgot to close a tag."""
    if element.name != "a":
        return False
    link = _link(element.get("href"))
    known = card.lpage or _page_of(card) or (card.record.page_url if card.record else "")
    return bool(link.page_url and known) and link.page_url != known


def _opens_a_picture(anchor: Element) -> bool:
    return bool(names_a_picture(anchor.get("href")))


def _shows_thumbnail(element: Element) -> bool:
    if element.name != "img":
        return False
    sources = (element.get("src"), element.get("data-src"))
    return any(is_thumbnail(source) and "favicon" not in source for source in sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """What the address of a link says about an image."""

    image_url: str = ""
    page_url: str = ""
    width: int | None = None
    height: int | None = None


@lru_cache(maxsize=1024)
def _link(href: str) -> _Link:
    """Take apart `/imgres?imgurl=…&imgrefurl=…` and `/url?q=…`; anything else is empty."""
    if not any(mark in href for mark in ("imgurl=", "/url?", "imgrefurl=")):
        return _Link()
    try:
        parts = urlsplit(href)
        query = parse_qs(parts.query or parts.fragment, max_num_fields=200)
    except ValueError:
        return _Link()
    first = {name: values[0] for name, values in query.items()}
    if "imgurl" in first or "imgrefurl" in first:
        return _Link(
            image_url=full_size(first.get("imgurl")),
            page_url=web_address(first.get("imgrefurl")),
            width=pixels(first.get("w")),
            height=pixels(first.get("h")),
        )
    page_url = web_address(first.get("q") or first.get("url"))
    return _Link(page_url="" if is_google(page_url) else page_url)


def _note(element: Element, card: _Card, inline: dict[str, str]) -> None:
    """Write down what one element says about the card it belongs to."""
    if element.name == TEXT:
        card.texts.append(element.raw)
        return
    attributes = element.attributes
    card.lpage = card.lpage or web_address(attributes.get("data-lpage"))
    if element.name == "img":
        _note_image(attributes, card, inline)
    elif element.name == "a" and attributes.get("href"):
        card.links.append(attributes["href"])
    _note_shown_sides(attributes, card)
    if "data-ow" in attributes:
        card.stated = (pixels(attributes["data-ow"]), pixels(attributes.get("data-oh")))
    card.titles += [attributes[name] for name in ("title", "aria-label") if attributes.get(name)]


def _note_shown_sides(attributes: dict[str, str], card: _Card) -> None:
    """Remember the first size in which the page shows the card: it tells lying from standing."""
    sides = [pixels(attributes.get(name)) for name in ("width", "height")]
    if "style" in attributes and not all(sides):
        sides = [pixels(length) for length in _STYLED_SIDES.findall(attributes["style"])[:2]]
    is_icon = any(side and side <= _MAX_ICON_SIDE_PX for side in sides)
    if card.shown is None and len(sides) == 2 and sides[0] and sides[1] and not is_icon:
        card.shown = (sides[0], sides[1])


def _note_image(attributes: dict[str, str], card: _Card, inline: dict[str, str]) -> None:
    sides = [pixels(attributes.get(name)) for name in ("width", "height", "data-sz")]
    if any(side and side <= _MAX_ICON_SIDE_PX for side in sides):
        return
    sources = [attributes.get(name, "") for name in ("src", "data-src")]
    sources += [inline.get(attributes.get(name, ""), "") for name in ("id", "data-iid")]
    card.thumbnails += filter(_is_preview, map(clean, sources))
    if attributes.get("alt"):
        card.titles.insert(0, attributes["alt"])


def _is_preview(source: str) -> bool:
    is_inline = source.startswith("data:image") and not source.startswith(_PLACEHOLDER)
    return is_inline or (bool(web_address(source)) and "favicon" not in source)


def _preview(address: str) -> str:
    """What names a preview, whatever size of it is asked for."""
    _, marked, name = address.partition("tbn:")
    return re.split(r"[&#]", name)[0] if marked else address


def _inline_thumbnails(scripts: list[str]) -> dict[str, str]:
    """The `data:` pictures that scripts put into the page, by the id of their element."""
    found: dict[str, str] = {}
    for script in scripts:
        if "data:image" not in script:
            continue
        for match in (*_INLINE_BY_IDS.finditer(script), *_INLINE_BY_ID.finditer(script)):
            ids = _QUOTED.findall(match["ids"]) or [match["ids"]]
            found.update(dict.fromkeys(ids, unquoted(match["data"])))
    return found


def _are_turned(cards: list[_Card]) -> bool:
    """Whether this page's records name height and width the other way round than is usual.

    They have been seen in both orders. The pictures on the page show which it is.
    """
    votes = [_is_turned(card) for card in cards]
    return votes.count(True) > votes.count(False)


def _is_turned(card: _Card) -> bool | None:
    """Whether a record's picture stands where the page shows it lying; None if none can say."""
    record, shown = card.record, card.shown
    if record is None or shown is None or not record.width or not record.height:
        return None
    if record.has_named_sides:
        return None
    is_clear = all(max(a, b) > 1.1 * min(a, b) for a, b in (shown, (record.width, record.height)))
    return (shown[0] > shown[1]) != (record.width > record.height) if is_clear else None


def _candidate(card: _Card, *, is_turned: bool) -> Candidate:
    links = [_link(href) for href in card.links]
    linked = next((link for link in links if link.image_url), _Link())
    record = card.record or ImageRecord()
    direct = next(filter(None, map(names_a_picture, card.links)), "")
    width, height = _sides(card, linked, record, is_turned=is_turned)
    return Candidate(
        image_url=record.image_url or linked.image_url or direct,
        page_url=card.lpage or record.page_url or linked.page_url or _page(card, links),
        title=_plain(record.title) or _title(card),
        thumbnail_url=_thumbnail(card, record),
        width=width,
        height=height,
    )


def _sides(
    card: _Card, linked: _Link, record: ImageRecord, *, is_turned: bool
) -> tuple[int | None, int | None]:
    """Width and height: elements name them, while records only list them."""
    named = (record.width, record.height) if record.has_named_sides else (None, None)
    for stated in (card.stated, (linked.width, linked.height), named):
        if all(stated):
            return stated
    own = _is_turned(card)
    turn = is_turned if own is None else own
    return (record.height, record.width) if turn else (record.width, record.height)


def _page_of(card: _Card) -> str:
    return next(filter(None, (_link(href).page_url for href in card.links)), "")


def _page(card: _Card, links: list[_Link]) -> str:
    wrapped = [link.page_url for link in links]
    plain = [web_address(href) for href in card.links]
    away = [href for href in plain if not is_google(href) and not names_a_picture(href)]
    return next(filter(None, wrapped + away), "")


def _title(card: _Card) -> str:
    texts = (_plain(text) for text in card.texts)
    named = (clean(title) for title in card.titles if not web_address(title))
    found = (*named, *(clean(text) for text in texts if not text.startswith("{")))
    return next(filter(None, found), "")


def _thumbnail(card: _Card, record: ImageRecord) -> str:
    """An address is worth more than a picture written into the page: it is short and stays."""
    linked = [record.thumbnail_url, *(url for url in card.thumbnails if web_address(url))]
    return next(filter(None, (*linked, *card.thumbnails)), "")


def _first_of_each(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.address and candidate.address not in seen:
            seen.add(candidate.address)
            yield candidate
