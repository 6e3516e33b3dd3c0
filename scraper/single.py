"""One image by its address, for whoever wants no crawl: asked as a crawl would ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from scraper.addresses import AddressRule
from scraper.clock import SystemClock
from scraper.errors import FetchError
from scraper.fetch import Body, Web
from scraper.policy import FetchPolicy

MAX_REDIRECTS: Final = 5


def image_getter(allowed: Iterable[str] = ()) -> Callable[[str], bytes]:
    """A function of an http or https address that returns the image's bytes.

    Private addresses are refused, but for the networks `allowed`; it raises `FetchError`.

    Raises:
        UsageError: one of the networks is none.
    """
    web = Web(policy=FetchPolicy(), rule=AddressRule.of(allowed), clock=SystemClock())

    def get(url: str) -> bytes:
        return image_at(url, web=web)

    return get


def image_at(url: str, *, web: Web) -> bytes:
    """Ask for one image, once, and follow where the answer points.

    Raises:
        FetchError: it cannot be had; `reason` says why.
    """
    for _ in range(MAX_REDIRECTS + 1):
        answer = web.ask(url)
        if isinstance(answer, Body):
            return answer.body
        url = answer.url
    raise FetchError(url, f"more than {MAX_REDIRECTS} redirects")
