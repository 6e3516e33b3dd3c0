from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.fetch import user_agent
from scraper.robots import AGENT, MAX_RULES_BYTES, Rules, opt_out, origin_of


@pytest.mark.parametrize(
    ("text", "path", "is_allowed"),
    [
        ("", "/a.jpg", True),
        ("User-agent: *\nDisallow:", "/a.jpg", True),
        ("User-agent: *\nDisallow: /", "/a.jpg", False),
        ("User-agent: *\nDisallow: /private/", "/public/a.jpg", True),
        ("User-agent: *\nDisallow: /*.jpg$", "/deep/a.jpg", False),
        ("User-agent: *\nDisallow: /*.jpg$", "/deep/a.jpg?w=1", True),
        ("User-agent: *\nDisallow: /\nAllow: /photos/", "/photos/a.jpg", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: Bestiary\nDisallow: /cgi", "/a.jpg", True),
        ("User-agent: bestiary\nDisallow: /\n\nUser-agent: *\nAllow: /", "/a.jpg", False),
        ("User-agent: other\nDisallow: /", "/a.jpg", True),
        ("\ufeffUser-agent: *\r\nDisallow: / # all of it", "/a.jpg", False),
        ("<!doctype html><h1>User-agent: *</h1>", "/a.jpg", True),
    ],
)
def test_robots_txt_is_read_as_its_standard_says(text: str, path: str, is_allowed: bool) -> None:
    assert Rules.parse(text.encode()).allows(f"http://h{path}") is is_allowed


def test_the_delay_that_a_host_asks_for_is_known() -> None:
    assert Rules.parse(b"User-agent: *\nCrawl-delay: 2.5").crawl_delay_s == 2.5
    assert Rules.parse(b"User-agent: other\nCrawl-delay: 2.5").crawl_delay_s == 0
    assert Rules.parse(b"User-agent: *\nCrawl-delay: inf").crawl_delay_s == 0


def test_what_is_far_down_in_a_huge_file_is_not_read() -> None:
    head = b"User-agent: *\n" + b"#" * MAX_RULES_BYTES

    assert Rules.parse(head + b"\nDisallow: /").allows("http://h/a.jpg")


def test_hosts_know_us_by_the_name_in_our_user_agent() -> None:
    assert user_agent("").partition("/")[0] == AGENT


@given(body=st.binary(max_size=400), url=st.text(max_size=60))
def test_any_bytes_are_rules_and_any_text_can_be_judged(body: bytes, url: str) -> None:
    rules = Rules.parse(b"User-agent: *\nDisallow: /a*b$\n" + body)

    assert rules.allows(url) in {True, False}
    assert rules.crawl_delay_s >= 0
    assert origin_of(url) == "" or "://" in origin_of(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://h/a/b.jpg?c", "http://h"),
        ("https://me:secret@H.example:8443/a", "https://h.example:8443"),
        ("http://[::1]:80/a", "http://[::1]:80"),
        ("data:image/png;base64,AA", ""),
        ("file:///etc/passwd", ""),
        ("http://h:99999/", ""),
        ("http://[broken/", ""),
    ],
)
def test_rules_belong_to_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("tags", "reservation", "reason"),
    [
        ([], "", ""),
        (["all"], "0", ""),
        (["nofollow, noarchive"], "", ""),
        (["noai"], "", "X-Robots-Tag: noai"),
        (["NoImageAI , nofollow"], "", "X-Robots-Tag: noimageai"),
        (["nofollow", "noindex"], "", "X-Robots-Tag: noindex"),
        (["noimageindex"], "", "X-Robots-Tag: noimageindex"),
        (["none"], "", "X-Robots-Tag: none"),
        (["bestiary: noml"], "", "X-Robots-Tag: noml"),
        (["*: noai"], "", "X-Robots-Tag: noai"),
        (["googlebot: noindex, noai"], "", ""),
        (["googlebot: noindex", "noai"], "", "X-Robots-Tag: noai"),
        (["googlebot: nofollow, bestiary: noai"], "", "X-Robots-Tag: noai"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noai"], "", "X-Robots-Tag: noai"),
        (["max-image-preview: none"], "", ""),
        ([], " 1 ", "tdm-reservation: 1"),
    ],
)
def test_headers_opt_an_image_out(tags: list[str], reservation: str, reason: str) -> None:
    assert opt_out(tags, reservation) == reason
