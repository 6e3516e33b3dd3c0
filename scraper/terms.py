"""Whose terms a live search goes against, and the user's word that they know."""

from __future__ import annotations

from collections.abc import Collection

from scraper.errors import UsageError
from scraper.sources.image_address import is_google

ASKED_FOR = ("google",)
"""What `--accept-terms` may name."""

_GOOGLE = (
    "Google's terms of service forbid automated access that goes against its robots.txt, and"
    " that disallows /search: whether you may scrape it is between you and Google."
    " The pictures belong to their photographers: what you may do with them is for the law and"
    " their licences to say. To go on all the same, add `--accept-terms google`, or write"
    ' `accept-terms = ["google"]` under [scrape] in bestiary.toml'
)


def require_terms(base_url: str, *, accepted: Collection[str]) -> None:
    """Let nobody search a live site without having been told whose terms apply.

    Raises:
        UsageError: `base_url` is Google's own, and its terms are not among the accepted.
    """
    if is_google(base_url) and "google" not in accepted:
        raise UsageError(_GOOGLE)
