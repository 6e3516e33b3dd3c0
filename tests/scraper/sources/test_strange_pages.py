"""Pages that the parser was never shown: other markup, escapes, languages and orders."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from scraper.sources.google_page import PageKind, classify, parse
from scraper.sources.image_address import is_thumbnail
from tests.scraper import google_pages as pages
from tests.scraper import strange_pages as strange
from tests.scraper.google_pages import Shot

SEARCH = "https://www.google.com/search?q=shrew&udm=2&hl=en"
SEEDS = range(25)

layouts = pytest.mark.parametrize("layout", [*strange.LAYOUTS, "mixed"])


def build(layout: str) -> Callable[[strange.Maker, Sequence[Shot]], str]:
    return strange.mixed if layout == "mixed" else strange.LAYOUTS[layout]


def share_read(page: str, shown: Sequence[Shot]) -> float:
    """The share of results that came with their own address, page and title."""
    found = {one.image_url: one for one in parse(page)}
    right = [
        (found[shot.image_url].page_url, found[shot.image_url].title) == (shot.page_url, shot.title)
        for shot in shown
        if shot.image_url in found
    ]
    return sum(right) / len(shown)


@layouts
def test_every_result_is_read_however_the_page_is_written(layout: str) -> None:
    for seed in SEEDS:
        make = strange.Maker(seed)
        shown = make.shots(20)

        assert share_read(build(layout)(make, shown), shown) == 1, f"seed {seed}"


@layouts
def test_what_stands_between_results_is_no_result(layout: str) -> None:
    for seed in SEEDS:
        make = strange.Maker(seed)
        shown = make.shots(12)
        page = build(layout)(make, shown)

        found = parse(page)

        assert {one.image_url for one in found} == {shot.image_url for shot in shown}
        assert len(found) == len(shown)
        assert classify(page, SEARCH) is PageKind.RESULTS


@pytest.mark.parametrize("layout", ["L1", "L2", "L3", "L4 with L5", "L6", "mixed"])
def test_sizes_are_those_that_the_page_states(layout: str) -> None:
    make = strange.Maker(3)
    shown = make.shots(30)

    found = {one.image_url: one for one in parse(build(layout)(make, shown))}

    assert [(found[s.image_url].width, found[s.image_url].height) for s in shown] == [
        (s.width, s.height) for s in shown
    ]


def test_a_page_of_four_hundred_cards_is_read_whole() -> None:
    make = strange.Maker(5)
    shown = make.shots(400)

    assert share_read(strange.strange_l4(make, shown), shown) == 1


def test_cards_without_records_are_known_by_page_and_preview() -> None:
    make = strange.Maker(8)
    shown = make.shots(20)

    found = parse(strange.strange_l4(make, shown, has_records=False))

    assert [one.page_url for one in found] == [shot.page_url for shot in shown]
    assert [one.image_url for one in found] == [""] * 20
    assert all(is_thumbnail(one.thumbnail_url) for one in found)


def test_results_that_no_attribute_tells_are_known_by_preview_and_link() -> None:
    for seed in SEEDS:
        make = strange.Maker(seed)
        shown = make.shots(15)

        found = parse(strange.strange_bare(make, shown))

        assert [(one.page_url, one.thumbnail_url, one.title) for one in found] == [
            (shot.page_url, shot.thumbnail_url, shot.title) for shot in shown
        ]


def test_a_basic_page_with_plain_links_gives_pages_and_previews() -> None:
    for seed in SEEDS:
        make = strange.Maker(seed)
        shown = make.shots(12)

        found = parse(strange.strange_l6(make, shown, has_imgres=False))

        assert [(one.page_url, one.thumbnail_url) for one in found] == [
            (shot.page_url, shot.thumbnail_url) for shot in shown
        ]


def test_a_docid_on_two_cards_is_one_result() -> None:
    make = strange.Maker(1)
    shown = make.shots(10)

    found = parse(pages.l4([*shown, *shown[:4]]))

    assert [one.image_url for one in found] == [shot.image_url for shot in shown]


def test_a_caption_beside_the_link_is_the_title() -> None:
    (shot,) = pages.shots(1)
    link = pages._l6_href(shot, True).replace("&", "&amp;").replace(f"tbnid={shot.docid}", "x=1")
    cell = f'<td><a href="{link}"><img src="{shot.thumbnail_url}"></a><p>A shrew</td>'

    (found,) = parse(pages.page(f"<table><tr>{cell}{cell.replace('0.jpg', '1.jpg')}</table>"))[:1]

    assert found.title == "A shrew"


def test_half_characters_in_a_preview_are_dropped() -> None:
    (shot,) = pages.shots(1)
    broken = pages.INLINE.replace("4AAQ", "\\ud8004AAQ")
    script = f"(function(){{var s='{broken}';var ii=['dimg_0'];_setImagesSrc(ii,s);}})();"

    (found,) = parse(pages.page(pages.l4_card(shot, 0), script))

    assert found.address.encode().startswith(b"data:image/jpeg")


def test_records_in_an_attribute_are_read() -> None:
    shown = pages.shots(4)
    cards = "".join(
        f"<div data-props='{pages.script_json(pages.record(shot))}'></div>" for shot in shown
    )

    assert [one.image_url for one in parse(pages.page(cards))] == [s.image_url for s in shown]


def test_a_picture_that_no_card_claims_is_no_result_where_there_are_cards() -> None:
    make = strange.Maker(2)
    shown = make.shots(5)
    advert = (
        '{"ad":{"src":"https://encrypted-tbn0.gstatic.com/images?q=tbn:ANd9GcADVERT&s"},'
        '"to":"https://shop.example/trap.jpg"}'
    )

    page = strange.strange_new(make, shown) + f"<script>x={advert}</script>"

    assert {one.image_url for one in parse(page)} == {shot.image_url for shot in shown}


# --- kinds of pages --------------------------------------------------------------------

CONSENT_TITLES = (
    "Bevor Sie fortfahren",
    "Google に進む前に",
    "قبل المتابعة",
    "Avant d’accéder à Google",
)
SORRY_DE = (
    "<html><head><title>https://www.google.de/search?q=shrew</title></head><body><form"
    ' action="/sorry/index" method=post><div class=x data-sitekey=k></div></form><b>Über diese'
    " Seite</b> Unsere Systeme haben ungewöhnlichen Datenverkehr festgestellt.</body></html>"
)
TEXT_CAPTCHA = (
    "<html><body><form action=index method=post>To continue, please type the characters below:"
    '<img src="/sorry/image?id=1"><input name=captcha></form></body></html>'
)
STUBS = (
    '<HTML><HEAD><meta http-equiv=refresh content="0; url=https://www.google.com/sorry/index?q=x">'
    "</HEAD></HTML>",
    '<html><body>The document has moved <A HREF="https://www.google.com/sorry/index?q=x">here</A>.',
    "<html><head><script>location.replace('/sorry/index?continue=x')</script></head></html>",
)


@pytest.mark.parametrize("title", CONSENT_TITLES)
def test_consent_pages_are_known_in_any_language(title: str) -> None:
    page = re.sub("<title>[^<]*", f"<title>{title}", pages.CONSENT)

    assert classify(page, SEARCH) is PageKind.CONSENT
    assert classify(page, "https://consent.google.de/m?continue=x") is PageKind.CONSENT


@pytest.mark.parametrize("stub", [SORRY_DE, TEXT_CAPTCHA, *STUBS])
def test_block_pages_are_known_without_their_address(stub: str) -> None:
    assert classify(stub, SEARCH) is PageKind.BLOCKED


def test_a_block_page_with_consent_markup_and_old_results_around_it_is_a_block() -> None:
    page = pages.SORRY.replace("</body>", pages.CONSENT + pages.OVERLAY + "</body>")

    assert classify(page, SEARCH) is PageKind.BLOCKED
    assert classify(page, "https://www.google.com/sorry/index") is PageKind.BLOCKED


def test_words_of_a_block_in_titles_and_scripts_are_no_block() -> None:
    words = "Our systems have detected unusual traffic from your computer network. /sorry/index"
    shown = pages.shots(3, title=words)

    assert classify(pages.l4(shown), SEARCH) is PageKind.RESULTS
    assert classify(pages.l6(shown, has_imgres=False), SEARCH) is PageKind.RESULTS


def test_a_page_cut_short_is_one_of_results_where_any_can_be_read() -> None:
    page = pages.l4(pages.shots(30))
    for share in (0.35, 0.5, 0.8, 0.99):
        short = page[: int(len(page) * share)]
        assert classify(short, SEARCH) is (PageKind.RESULTS if parse(short) else PageKind.UNKNOWN)

    assert len(parse(page[: int(len(page) * 0.8)])) > 10


@pytest.mark.parametrize(
    ("page", "url", "kind"),
    [
        ("", "about:blank", PageKind.UNKNOWN),
        ("<html><head></head><body></body></html>", SEARCH, PageKind.UNKNOWN),
        ("", "chrome-error://chromewebdata/", PageKind.BROWSER_ERROR),
        ("", "https://accounts.google.com/v3/signin/identifier?x", PageKind.SIGN_IN),
        (
            "<html><title>Anmelden</title><form><input type=password name=p></form></html>",
            SEARCH,
            PageKind.SIGN_IN,
        ),
        (
            "<html><body>Your browser isn’t supported anymore. <a href=x>Learn more</a>",
            SEARCH,
            PageKind.UNSUPPORTED_BROWSER,
        ),
        (pages.JS_SHELL.replace("emsg=SG_REL", "x=1"), SEARCH, PageKind.JS_SHELL),
        (
            "<html><title>Google Search</title><body><div style=display:none>Please click <a"
            " href='/search?q=x&amp;emsg=SG_REL&amp;sei=y'>here</a> if you are not redirected"
            " within a few seconds.</div><script>var a='captcha'</script></body></html>",
            SEARCH,
            PageKind.JS_SHELL,
        ),
    ],
)
def test_pages_without_results_are_told_apart(page: str, url: str, kind: PageKind) -> None:
    assert classify(page, url) is kind


@pytest.mark.parametrize("host", ["www.google.de", "www.google.co.jp", "127.0.0.1:8000"])
def test_a_consent_overlay_covers_results_on_any_host(host: str) -> None:
    page = pages.l4(pages.shots(4)) + pages.OVERLAY

    assert classify(page, f"https://{host}/search?q=x") is PageKind.CONSENT_OVERLAY


def test_no_preview_becomes_a_full_size_image_though_records_call_it_so() -> None:
    (shot,) = pages.shots(1)
    for address in (
        "https://encrypted-tbn3.gstatic.com/images?q=tbn:ANd9GcX&usqp=CAU",
        "https://lh3.googleusercontent.com/abc=w340",
        "https://www.gstatic.com/images/branding/x.png",
    ):
        lying = replace(shot, image_url=address)
        for page in (pages.l1([lying]), pages.l2([lying]), pages.l4([lying]), pages.l6([lying])):
            assert not any(one.image_url for one in parse(page))
