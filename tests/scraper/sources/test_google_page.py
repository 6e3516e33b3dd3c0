from __future__ import annotations

import os
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scraper.harvest import Candidate
from scraper.sources.google_page import PageKind, classify, parse
from scraper.sources.image_address import is_thumbnail
from tests.scraper import google_pages as pages
from tests.scraper import strange_pages as strange

SEARCH = "https://www.google.com/search?q=shrew&udm=2&hl=en"
SHARED = Path(os.environ.get("BESTIARY_SHARED", "../shared")) / "data" / "google_html"

layouts = pytest.mark.parametrize("layout", pages.LAYOUTS)


def facts(found: list[Candidate]) -> list[tuple[str, str, str, int | None, int | None]]:
    return [(one.image_url, one.page_url, one.title, one.width, one.height) for one in found]


def expected(shown: list[pages.Shot]) -> list[tuple[str, str, str, int | None, int | None]]:
    return [(one.image_url, one.page_url, one.title, one.width, one.height) for one in shown]


@layouts
def test_every_card_of_every_layout_is_read_in_order(layout: str) -> None:
    shown = pages.shots(100)

    assert facts(parse(pages.LAYOUTS[layout](shown))) == expected(shown)


@layouts
def test_class_names_do_not_matter(layout: str) -> None:
    shown = pages.shots(60)
    page = pages.LAYOUTS[layout](shown)

    assert parse(pages.with_random_classes(page)) == parse(page)


@layouts
def test_titles_in_any_script_survive(layout: str) -> None:
    shown = pages.shots(5, title="뒤쥐 ネズミ “мышь” l'écureuil 🐭")

    assert [one.title for one in parse(pages.LAYOUTS[layout](shown))] == [
        shot.title for shot in shown
    ]


@layouts
def test_thumbnails_are_known_and_never_called_full_size(layout: str) -> None:
    for candidate in parse(pages.LAYOUTS[layout](pages.shots(30))):
        assert candidate.thumbnail_url
        assert not is_thumbnail(candidate.image_url)


@layouts
def test_a_page_twice_over_names_no_image_twice(layout: str) -> None:
    page = pages.LAYOUTS[layout](pages.shots(20))

    assert parse(page + page) == parse(page)


def test_cards_keep_their_order_when_records_come_in_another() -> None:
    shown = pages.shots(30)
    records = shown.copy()
    random.Random(1).shuffle(records)
    cards = "".join(pages.l4_card(shot, number) for number, shot in enumerate(shown))

    found = parse(pages.page(cards, pages._blob(records)))

    assert facts(found) == expected(shown)


def test_records_are_joined_by_any_attribute_that_has_the_docid() -> None:
    shown = pages.shots(10)
    page = pages.l4(shown).replace("data-docid=", "data-xq=").replace("data-lpage=", "data-zz=")

    assert [one.image_url for one in parse(page)] == [shot.image_url for shot in shown]


def test_records_without_a_card_come_last() -> None:
    shown = pages.shots(6)
    cards = "".join(pages.l4_card(shot, number) for number, shot in enumerate(shown[3:]))

    found = parse(pages.page(cards, pages._blob(shown)))

    assert [one.image_url for one in found] == [s.image_url for s in shown[3:] + shown[:3]]


def test_records_inside_a_quoted_string_are_read() -> None:
    shown = pages.shots(8)
    quoted = pages.script_json(pages._blob(shown)).replace("\\u003d", "\\x3d")

    found = parse(pages.page("", f"window.q({quoted});"))

    assert [one.image_url for one in found] == [shot.image_url for shot in shown]


def test_a_record_cut_off_still_gives_its_addresses() -> None:
    shown = pages.shots(3)
    blob = pages._blob(shown)

    found = parse(pages.page("", blob[: blob.rindex('"2003"')]))

    assert [one.image_url for one in found] == [shot.image_url for shot in shown]


def test_a_card_without_an_address_is_known_by_its_thumbnail() -> None:
    shown = pages.shots(3)

    found = parse(pages.l3(shown).replace("example.org", "gstatic.com"))

    assert [one.image_url for one in found] == ["", "", ""]
    assert [one.thumbnail_url for one in found] == [shot.thumbnail_url for shot in shown]


def test_sizes_are_turned_where_the_page_shows_that_its_records_are() -> None:
    shown = [replace(shot, width=800, height=600) for shot in pages.shots(5)]
    turned = [replace(shot, width=600, height=800) for shot in shown]
    cards = "".join(pages.l4_card(shot, number) for number, shot in enumerate(shown[:-1]))
    cards = cards.replace("<img ", '<img width="240" height="180" ')

    found = parse(pages.page(cards, pages._blob(turned)))

    assert {(one.width, one.height) for one in found} == {(800, 600)}


def test_links_that_hovering_set_give_the_address() -> None:
    (shot,) = pages.shots(1)
    card = pages.l4_card(shot, 0).replace(
        '<a role="button">', f'<a role="button" href="{pages._l6_href(shot, True)}">'
    )

    assert facts(parse(pages.page(card))) == expected([shot])


def test_basic_pages_without_imgres_links_give_pages_and_thumbnails() -> None:
    shown = pages.shots(12)

    found = parse(pages.l6(shown, has_imgres=False))

    assert [(one.image_url, one.page_url, one.thumbnail_url, one.title) for one in found] == [
        ("", shot.page_url, shot.thumbnail_url, shot.title) for shot in shown
    ]


@pytest.mark.parametrize(
    "address",
    [
        "https://encrypted-tbn2.gstatic.com/images?q=tbn:ANd9GcQ&usqp=CAU",
        "https://lh3.googleusercontent.com/abc=w340",
        "https://lh3.googleusercontent.com/abc=s88-c-k",
        "https://fonts.gstatic.com/s/i/x.png",
        "https://www.google.com/logos/doodles/2026/x.gif",
        "https://www.gstatic.com/images/branding/x.png",
        "https://example.org/favicon.ico",
        "http://127.0.0.1:8000/images?q=tbn:abc",
        "data:image/png;base64,AAAA",
    ],
)
def test_previews_and_decorations_are_thumbnails(address: str) -> None:
    assert is_thumbnail(address)


@pytest.mark.parametrize(
    "address", ["https://lh3.googleusercontent.com/abc=s0", "https://example.org/images/a.jpg"]
)
def test_originals_are_not_thumbnails(address: str) -> None:
    assert not is_thumbnail(address)


# --- kinds of pages --------------------------------------------------------------------


@layouts
def test_results_are_results_though_scripts_speak_of_captcha_and_consent(layout: str) -> None:
    assert classify(pages.LAYOUTS[layout](pages.shots(5)), SEARCH) is PageKind.RESULTS


@pytest.mark.parametrize(
    ("page", "url", "kind"),
    [
        (pages.SORRY, "https://www.google.com/sorry/index?continue=x", PageKind.BLOCKED),
        (pages.SORRY, SEARCH, PageKind.BLOCKED),
        ("", "https://sorry.google.com/x", PageKind.BLOCKED),
        (pages.SORRY_STUB, SEARCH, PageKind.BLOCKED),
        (pages.TOO_MANY, SEARCH, PageKind.BLOCKED),
        (pages.FORBIDDEN, SEARCH, PageKind.BLOCKED),
        (pages.CONSENT + pages.SORRY, SEARCH, PageKind.BLOCKED),
        (pages.JS_SHELL, SEARCH, PageKind.JS_SHELL),
        (pages.CONSENT, "https://consent.google.com/ml?continue=x", PageKind.CONSENT),
        (pages.CONSENT, "http://127.0.0.1:8000/consent", PageKind.CONSENT),
        (pages.l4(pages.shots(3)) + pages.OVERLAY, SEARCH, PageKind.CONSENT_OVERLAY),
        (
            pages.l4(pages.shots(3)) + f'<div style="display: none">{pages.OVERLAY}</div>',
            SEARCH,
            PageKind.RESULTS,
        ),
        (pages.SIGN_IN, "https://accounts.google.com/v3/signin", PageKind.SIGN_IN),
        (pages.UNSUPPORTED, SEARCH, PageKind.UNSUPPORTED_BROWSER),
        (pages.BROWSER_ERROR, SEARCH, PageKind.BROWSER_ERROR),
        ("", "chrome-error://chromewebdata/", PageKind.BROWSER_ERROR),
        (pages.NO_RESULTS, SEARCH, PageKind.NO_RESULTS),
        (
            pages.NO_RESULTS.replace("did not match any image results", "hat nichts ergeben"),
            SEARCH,
            PageKind.NO_RESULTS,
        ),
        (pages.NEW_LAYOUT, SEARCH, PageKind.UNKNOWN),
        ("", SEARCH, PageKind.UNKNOWN),
        ("", "http://[broken", PageKind.UNKNOWN),
    ],
)
def test_pages_without_results_are_told_apart(page: str, url: str, kind: PageKind) -> None:
    assert classify(page, url) is kind


def test_results_about_blocks_are_no_block() -> None:
    shown = pages.shots(4, title="Our systems have detected unusual traffic, captcha")

    assert classify(pages.l4(shown), SEARCH) is PageKind.RESULTS


def test_cards_of_which_nothing_can_be_read_are_an_unknown_layout() -> None:
    cards = "".join(f'<div data-docid="card{n}"><i></i></div>' for n in range(40))
    page = pages.page('<form><input name="q"></form>' + cards + "<b>mouse</b>")

    assert parse(page) == []
    assert classify(page, f"{SEARCH}&q=mouse") is PageKind.UNKNOWN


# --- whatever comes --------------------------------------------------------------------

SEEDS = [build(pages.shots(3)) for build in pages.LAYOUTS.values()] + [pages.SORRY, pages.CONSENT]
SEEDS += [
    build(strange.Maker(5), pages.shots(4))
    for build in (*strange.LAYOUTS.values(), strange.strange_bare)
]
_PIECES = re.compile(r'<[^>]{0,400}>|"[^"]{0,400}"|[\[\]{},:\\&\'=]|[^<"\[\]{},:\\&\'=]+')


def mutated(page: str, rng: random.Random) -> str:
    pieces = _PIECES.findall(page)
    for _ in range(rng.randrange(1, 12)):
        place = rng.randrange(len(pieces))
        other = rng.choice(pieces)
        change = rng.randrange(4)
        if change == 0:
            del pieces[place : place + rng.randrange(1, 8)]
        elif change == 1:
            pieces[place:place] = [other] * rng.randrange(1, 30)
        elif change == 2:
            pieces[place] = other
        else:
            pieces[place] = rng.choice(
                ["\0", "<", "<!--", "\\ud800", "[" * 500, '"', "&#xD800;", "://[", "9" * 5000]
            )
        if not pieces:
            return ""
    return "".join(pieces)


def test_no_mutation_of_a_page_raises_or_invents_a_full_size_thumbnail() -> None:
    rng = random.Random(7)
    for _ in range(1500):
        page = mutated(rng.choice(SEEDS), rng)
        for candidate in parse(page):
            assert candidate.address
            assert not is_thumbnail(candidate.image_url)
            "".join([candidate.address, candidate.page_url, candidate.title]).encode()
        classify(page, SEARCH)


@given(text=st.text(), url=st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_page_of_some_kind(text: str, url: str) -> None:
    parse(text)
    assert classify(text, url) in PageKind


@pytest.mark.parametrize(
    "piece",
    [
        '["x",["https:\\/\\/a.b',
        "<!--",
        "<a ",
        '<a href="',
        "<div>",
        "</p>",
        "<script>",
        '["a",',
        '{"ou":',
        "[1,",
    ],
)
def test_no_repetition_makes_reading_slow(piece: str) -> None:
    # Quadratic work on this many repetitions would take minutes.
    parse("<b>" * 1000 + piece * 40_000 + "http" + '"ou"')
    parse("<script>" + piece * 40_000 + "http" + '"ou"')


@pytest.mark.skipif(not SHARED.is_dir(), reason="pieces of real pages are not here")
class TestRealPieces:
    def read(self, name: str) -> str:
        return (SHARED / name).read_text(encoding="utf-8", errors="replace")

    def test_a_page_of_2015_gives_its_strip_of_images(self) -> None:
        found = parse(self.read("serp_web_with_image_strip_rg_meta_2015.html"))

        assert len(found) == 5
        assert found[0].image_url.endswith("il_fullxfull.552070932_hh33.jpg")
        assert (found[0].width, found[0].height) == (1500, 1356)
        assert all(candidate.page_url and candidate.title for candidate in found)

    def test_a_tile_of_2023_gives_its_page_sizes_and_preview(self) -> None:
        (found,) = parse(self.read("images_tile_isv-r_2023_excerpt.html"))

        assert found.page_url.startswith("https://namu.wiki/w/")
        assert found.title == "하정우 - 나무위키"
        assert (found.width, found.height) == (640, 800)
        assert found.thumbnail_url.startswith("data:image/jpeg")

    def test_a_page_whose_scripts_speak_of_consent_is_no_consent_page(self) -> None:
        page = self.read("serp_web_consent_overlay_de_2026-05.html")

        assert classify(page, SEARCH) in {PageKind.UNKNOWN, PageKind.NO_RESULTS}

    def test_a_page_of_2019_gives_the_records_that_lie_in_quoted_strings(self) -> None:
        found = parse(self.read("serp_knowledge_image_carousel_setImagesSrc_2019.html"))

        assert len(found) == 7
        assert found[0].page_url == "https://en.wikipedia.org/wiki/Vincent_van_Gogh"
        assert found[0].image_url.startswith("https://upload.wikimedia.org/")
        assert [(one.width, one.height) for one in found[:2]] == [(1200, 1516), (439, 600)]
