"""What kind of page came back instead of results, told by its structure.

Words decide last: every ordinary results page has "captcha" and "consent" in its scripts,
and a search for "unusual traffic" has those words in its results.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from scraper.sources.markup import TEXT, Element, Markup


class PageKind(Enum):
    """What a page is, and so what to do about it."""

    RESULTS = "results"
    NO_RESULTS = "no results"
    CONSENT = "a consent page"
    CONSENT_OVERLAY = "a consent dialog over the page"
    BLOCKED = "a block page (unusual traffic)"
    JS_SHELL = "a page that wants JavaScript proof of a browser"
    SIGN_IN = "a sign-in page"
    UNSUPPORTED_BROWSER = "a page for browsers that it does not support"
    BROWSER_ERROR = "the browser's own error page"
    UNKNOWN = "a page of an unknown layout"


_OVERLAY_IDS: Final = frozenset({"L2AGLb", "W0wltc", "CXQnmb"})
_BROWSER_MAKERS: Final = ("google.com/chrome", "mozilla.org", "microsoft.com", "apple.com", "opera")
_BLOCK_WORDS: Final = (
    "our systems have detected unusual traffic",
    "this page checks to see if it's really you sending the requests",
    "google automatically detects requests coming from your computer network",
    "to continue, please type the characters below",
    "may be sending automated queries",
    "you have sent too many requests",
    "your client does not have permission to get url",
)
_NO_RESULTS_WORDS: Final = (
    "did not match any",
    "no results found",
    "es wurden keine mit deiner suchanfrage",
    "stimmen mit keinen",
    "ne correspond aux termes de recherche",
    "no se han encontrado resultados",
    "no obtuvo ningún resultado",
    "non ha prodotto risultati",
    "não encontrou nenhum",
    "geen resultaten",
    "に一致する画像は見つかりませんでした",
    "に一致する情報は見つかりませんでした",
    "找不到和您查询的",
)
_MAX_STUB_LENGTH: Final = 2000
"""Longer pages are there to be read; shorter ones send a browser elsewhere."""
_UNSUPPORTED_WORDS: Final = (
    "update your browser",
    "browser isn't supported",
    "browser is not supported",
    "no longer supported",
)


def kind_of(markup: Markup, url: str, *, offers_images: bool) -> PageKind:
    """Name the kind of a page; `offers_images` says whether candidates were read from it."""
    page = _Evidence(markup, url, offers_images=offers_images)
    return next((kind for kind, holds in _RULES if holds(page)), PageKind.UNKNOWN)


class _Evidence:
    """One page with its final address, and the questions that tell kinds apart."""

    def __init__(self, markup: Markup, url: str, *, offers_images: bool) -> None:
        self.markup = markup
        self.url = _split(url)
        self.offers_images = offers_images
        self.host = self.url.hostname or ""
        self.words = _visible_words(markup)

    def is_browser_error(self) -> bool:
        is_own = self.url.scheme in {"chrome-error", "about"} and self.url.path != "blank"
        return is_own or any(
            element.get("id") == "main-frame-error" or "neterror" in element.get("class").split()
            for element in self.markup.named("body", "div")
        )

    def is_blocked(self) -> bool:
        if self.host.startswith("sorry.") or _is_below(self.url.path, "/sorry"):
            return True
        return not self.offers_images and (
            self._asks_for_captcha()
            or any(_is_below(target, "/sorry") for target in self._sent_to())
            or self._is_stub_to_block()
            or (not self._asks_consent() and any(words in self.words for words in _BLOCK_WORDS))
        )

    def _asks_for_captcha(self) -> bool:
        return any(
            element.get("id") == "captcha-form"
            or bool(element.get("data-sitekey"))
            or (element.name in {"form", "img"} and _is_below(_target(element), "/sorry"))
            for element in self.markup.named("form", "div", "img", "iframe")
        )

    def _is_stub_to_block(self) -> bool:
        is_stub = self.markup.length < _MAX_STUB_LENGTH and not self._has_search_box()
        return is_stub and any("/sorry/" in script for script in self.markup.scripts)

    def _sent_to(self) -> list[str]:
        """The paths that the page leads on to by itself, or, when it is a stub, by a link."""
        refreshes = [
            element.get("content").partition("=")[2].strip("'\" ")
            for element in self.markup.named("meta")
            if "refresh" in element.get("http-equiv").lower()
        ]
        links = [element.get("href") for element in self.markup.named("a")]
        return [_split(to).path for to in refreshes + (links if len(links) <= 3 else [])]

    def is_sign_in(self) -> bool:
        if self.host.startswith("accounts."):
            return True
        return not self.offers_images and any(
            element.get("type").lower() == "password"
            or element.get("id") == "identifierId"
            or (element.name == "form" and _split(_target(element)).netloc.startswith("accounts."))
            for element in self.markup.named("input", "form")
        )

    def is_consent(self) -> bool:
        if self.host.startswith("consent."):
            return True
        return not self.offers_images and self._asks_consent()

    def _asks_consent(self) -> bool:
        """Whether a form sets the consent cookie; its hidden fields have had one name for years."""
        return any(
            element.get("name") in {"set_eom", "set_sc", "set_aps"}
            for element in self.markup.named("input")
            if not _is_hidden(self.markup, self.markup.elements[element.parent])
        )

    def is_under_overlay(self) -> bool:
        return any(
            not _is_hidden(self.markup, element)
            for element in self.markup.named("div", "button", "span")
            if element.get("id") in _OVERLAY_IDS or self._is_consent_dialog(element)
        ) or (self.offers_images and self._asks_consent())

    def _is_consent_dialog(self, element: Element) -> bool:
        is_dialog = element.get("role") == "dialog" or element.get("aria-modal") == "true"
        return is_dialog and any(
            "/technologies/cookies" in inner.get("href")
            or _split(inner.get("href")).netloc.startswith("consent.")
            for inner in self.markup.inside(element)
            if inner.name == "a"
        )

    def is_js_shell(self) -> bool:
        links = [element.get("href") for element in self.markup.named("a")]
        if self.offers_images or self._has_search_box():
            return False  # Ordinary pages offer the same to browsers without scripts.
        return any("/enablejs" in target for target in self._sent_to()) or any(
            "emsg=SG_REL" in link for link in links
        )

    def _has_search_box(self) -> bool:
        return any(
            element.get("name") == "q" and element.get("type").lower() != "hidden"
            for element in self.markup.named("input", "textarea")
        )

    def has_no_results(self) -> bool:
        return any(words in self.words for words in _NO_RESULTS_WORDS) or (
            self._has_search_box() and not self._shows_previews() and self._repeats_query()
        )

    def _shows_previews(self) -> bool:
        return any("tbn:" in image.get("src") for image in self.markup.named("img"))

    def _repeats_query(self) -> bool:
        """Whether the page says the query back in emphasis, as "Your search - X - did…" does."""
        query = " ".join(parse_qs(self.url.query).get("q", [""])[0].split()).casefold()
        return bool(query) and any(
            self.markup.text(element).strip("\"'“”«» ").casefold() == query
            for element in self.markup.named("em", "b", "strong")
        )

    def is_unsupported_browser(self) -> bool:
        if self.offers_images:
            return False
        links = " ".join(element.get("href") for element in self.markup.named("a"))
        makers = sum(maker in links for maker in _BROWSER_MAKERS)
        return makers >= 2 or any(words in self.words for words in _UNSUPPORTED_WORDS)


_RULES: Final[tuple[tuple[PageKind, Callable[[_Evidence], bool]], ...]] = (
    (PageKind.BROWSER_ERROR, _Evidence.is_browser_error),
    (PageKind.BLOCKED, _Evidence.is_blocked),
    (PageKind.SIGN_IN, _Evidence.is_sign_in),
    (PageKind.CONSENT, _Evidence.is_consent),
    (PageKind.CONSENT_OVERLAY, _Evidence.is_under_overlay),
    (PageKind.RESULTS, lambda page: page.offers_images),
    (PageKind.JS_SHELL, _Evidence.is_js_shell),
    (PageKind.UNSUPPORTED_BROWSER, _Evidence.is_unsupported_browser),
    (PageKind.NO_RESULTS, _Evidence.has_no_results),
)
"""Asked in this order: a block page may carry consent markup, and the block wins."""


def _visible_words(markup: Markup) -> str:
    page = markup.elements[0]
    return f"{markup.title} {markup.text(page)}".replace("’", "'").casefold()


def _is_hidden(markup: Markup, element: Element) -> bool:
    return any(
        "display:none" in around.get("style").replace(" ", "").lower()
        or "hidden" in around.attributes
        for around in markup.ancestors(element)
        if around.name != TEXT
    )


def _target(element: Element) -> str:
    return element.get("action") or element.get("src")


def _is_below(address: str, folder: str) -> bool:
    path = _split(address).path
    return path == folder or path.startswith(f"{folder}/")


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.hostname
    except ValueError:
        return urlsplit("")
    return parts
