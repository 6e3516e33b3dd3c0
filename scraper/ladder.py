"""Larger versions of an image, where its address says that it is a small one.

Many hosts keep an image in several sizes, and name the size in the address. What is known of
them is in one table; an address that no row of it describes has no better one. A better
address is a guess: whoever asks for it must be ready to take the address itself after all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

_RASTER: Final = r"\.(?:jpe?g|png|gif|webp)"
_GOOGLE_SIZE: Final = r"(?:s(?!0\b)\d+|[wh]\d+)(?:-[a-z]+\d*)*"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What a small image's address looks like at one kind of host, and the larger one's.

    Patterns are searched: `host` in the host's name, `path` in the path. `drop` and `put` say
    what becomes of query parameters; it is a small one's address only where one is there.
    """

    host: str
    path: str = ""
    larger: str = ""
    drop: frozenset[str] = frozenset()
    put: tuple[str, str] | None = None


_RULES: Final = (
    # WordPress: name-300x200.jpg, and the sizes that its own image hosts take as parameters.
    _Rule(
        host=r"", path=rf"(/wp-content/uploads/.+)-\d{{2,4}}x\d{{2,4}}({_RASTER})$", larger=r"\1\2"
    ),
    _Rule(
        host=r"^i\d\.wp\.com$|\.files\.wordpress\.com$",
        drop=frozenset({"w", "h", "resize", "fit", "crop", "zoom", "quality"}),
    ),
    # Shopify: name_small.jpg, name_300x.jpg, ?width=300.
    _Rule(
        host=r"^cdn\.shopify\.com$",
        path=r"_(?:pico|icon|thumb|small|compact|medium|large|grande|\d+x\d*|x\d+)"
        rf"(?:_crop_[a-z]+)?(?:@\dx)?({_RASTER})$",
        larger=r"\1",
    ),
    _Rule(host=r"^cdn\.shopify\.com$", drop=frozenset({"width", "height", "crop"})),
    # Blogger and Google's own: /s320/name.jpg, …=w400-h300.
    _Rule(
        host=r"\.bp\.blogspot\.com$|^blogger\.googleusercontent\.com$",
        path=rf"/{_GOOGLE_SIZE}/([^/]+)$",
        larger=r"/s0/\1",
    ),
    _Rule(host=r"\.(?:googleusercontent|ggpht)\.com$", path=rf"={_GOOGLE_SIZE}$", larger="=s0"),
    # Wikimedia: /thumb/a/ab/Name.jpg/320px-Name.jpg.
    _Rule(
        host=r"^upload\.wikimedia\.org$",
        path=rf"/thumb(/\w/\w\w/[^/]+{_RASTER})/[^/]*\d+px-[^/]+$",
        larger=r"\1",
    ),
    # Flickr: the original has another name, and 1024 pixels have none but the suffix.
    _Rule(
        host=r"\.staticflickr\.com$",
        path=r"(/\d+_[0-9a-f]+)(?:_[sqtmnwzc])?\.jpg$",
        larger=r"\1_b.jpg",
    ),
    # iNaturalist: /photos/1/medium.jpg.
    _Rule(
        host=r"^static\.inaturalist\.org$|^inaturalist-open-data\.s3\.amazonaws\.com$",
        path=rf"(/photos/\d+)/(?:square|thumb|small|medium|large)({_RASTER})$",
        larger=r"\1/original\2",
    ),
    # Twitter: ?name=small, and :small of old.
    _Rule(host=r"^pbs\.twimg\.com$", put=("name", "orig")),
    _Rule(
        host=r"^pbs\.twimg\.com$",
        path=r"(/media/.+):(?:thumb|small|medium|large)$",
        larger=r"\1:orig",
    ),
    # Others that name the size in one place.
    _Rule(host=r"^i\.pinimg\.com$", path=r"^/\d+x\d*(?:_RS)?/", larger="/originals/"),
    _Rule(host=r"^i\.imgur\.com$", path=rf"^/(\w{{7}})[sbtmlh]({_RASTER})$", larger=r"/\1\2"),
    _Rule(
        host=r"^(?:m\.media|images-\w\w\.ssl-images)-amazon\.com$",
        path=rf"\._[A-Z][A-Z0-9_,]*_({_RASTER})$",
        larger=r"\1",
    ),
    _Rule(
        host=r"^static\.wixstatic\.com$",
        path=rf"^(/media/[^/]+{_RASTER})/v1/.+$",
        larger=r"\1",
    ),
    _Rule(host=r"^images\.squarespace-cdn\.com$", put=("format", "original")),
    _Rule(host=r"^miro\.medium\.com$", path=r"^(/v2)?/(?:resize|max|fit)[:/][^/]+/", larger=r"\1/"),
    _Rule(
        host=r"\.media\.tumblr\.com$",
        path=rf"_(?:75sq|100|250|400|500|540|640)({_RASTER})$",
        larger=r"_1280\1",
    ),
)


def better_addresses(url: str) -> list[str]:
    """Where a larger version of the image may be, best first; empty where none is known of.

    All are at the same host as the address itself, which is not among them.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return []
    if parts.scheme not in {"http", "https"}:
        return []
    found = (_larger(rule, parts) for rule in _RULES if re.search(rule.host, host))
    return list(dict.fromkeys(one for one in found if one and one != url))


def _larger(rule: _Rule, parts: SplitResult) -> str:
    """What a rule makes of an address; empty where it says nothing of it."""
    if rule.path:
        path, changes = re.subn(rule.path, rule.larger, parts.path, count=1)
        return parts._replace(path=path).geturl() if changes else ""
    query = parse_qsl(parts.query, keep_blank_values=True)
    rest = list(_changed(rule, query))
    return parts._replace(query=urlencode(rest)).geturl() if rest != query else ""


def _changed(rule: _Rule, query: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in query:
        if rule.put and name == rule.put[0]:
            yield rule.put
        elif name not in rule.drop:
            yield name, value
