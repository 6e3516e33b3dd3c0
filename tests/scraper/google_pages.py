"""Results pages made by code, one builder per layout that Google Images has had."""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
INLINE = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wCEAAkGBwgHBgkIBwgKCgkLDRYPDQ"


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One result, as the page should tell of it."""

    docid: str
    image_url: str
    page_url: str
    title: str
    thumbnail_url: str
    width: int
    height: int


def shots(count: int, *, seed: int = 0, title: str = "A “shrew” & co. = 1 <2>") -> list[Shot]:
    rng = random.Random(seed)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

    def word(length: int) -> str:
        return "".join(rng.choices(alphabet, k=length))

    return [
        Shot(
            docid=f"{word(12)}M",
            image_url=f"https://pics{rng.randrange(40)}.example.org/a%20b/{number}.jpg?s={word(4)}&b",
            page_url=f"https://site{rng.randrange(40)}.example.net/p/{number}?a=1&b=2",
            title=f"{title} {number}",
            thumbnail_url=f"https://encrypted-tbn0.gstatic.com/images?q=tbn:ANd9Gc{word(30)}&s",
            width=rng.randrange(300, 4000),
            height=rng.randrange(300, 4000),
        )
        for number in range(count)
    ]


def script_json(value: object) -> str:
    """JSON as Google writes it into scripts."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for mark in "=&<>'":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def page(body: str, *scripts: str, title: str = "shrew - Google Search") -> str:
    """A whole page with the traps that every ordinary page has in its scripts."""
    trap = (
        "var cU='https://consent.google.com/d?continue\\x3d';var c=X('CXQnmb');"
        "google.cfg={captcha:'/recaptcha/api.js',s:'/sorry/index',t:'unusual traffic'};"
    )
    scripts_html = "".join(f"<script nonce=x>{one}</script>" for one in (trap, *scripts))
    return (
        f"<!doctype html><html lang=en><head><title>{title}</title></head><body jsmodel=q>"
        '<noscript><meta content="0;url=/httpservice/retry/enablejs?sei=x" http-equiv=refresh>'
        "</noscript>"
        '<form action="/search" role=search><textarea name="q">shrew</textarea></form>'
        '<img src="https://www.google.com/images/branding/googlelogo.png" alt="Google">'
        '<a href="https://accounts.google.com/ServiceLogin?hl=en">Sign in</a>'
        f"{body}{scripts_html}</body></html>"
    )


def record(shot: Shot, *, is_height_first: bool = False) -> list[object]:
    sides = [shot.width, shot.height]
    facts: list[object] = [None] * 18
    facts[1:4] = ["refDocid", shot.page_url, shot.title]
    facts[12], facts[17] = "Site", "example.net"
    return [
        0,
        shot.docid,
        [shot.thumbnail_url, 180, 240],
        [shot.image_url, *(reversed(sides) if is_height_first else sides)],
        None,
        0,
        "rgb(96,88,64)",
        None,
        0,
        {"2000": [None, "example.net", "88KB"], "2003": facts, "2008": [None, "short"]},
    ]


def l1(shown: Sequence[Shot]) -> str:
    cards = "".join(
        '<div class="rg_di rg_bx rg_el ivg-i" data-ri="0"><a class="rg_l" href="#">'
        f'<img class="rg_ic rg_i" data-src="{html.escape(shot.thumbnail_url)}" src="{PIXEL}">'
        f'</a><div class="rg_meta notranslate">{_meta(shot)}</div></div>'
        for shot in shown
    )
    return page(f'<div id="rg_s">{cards}</div>')


def _meta(shot: Shot) -> str:
    facts = {
        "cb": 12,
        "id": f"{shot.docid}:",
        "oh": shot.height,
        "ou": shot.image_url,
        "ow": shot.width,
        "pt": html.escape(shot.title, quote=False),
        "rh": "example.net",
        "ru": shot.page_url,
        "tu": shot.thumbnail_url,
    }
    return html.escape(json.dumps(facts), quote=False)


def l2(shown: Sequence[Shot], *, is_of_2020: bool = False) -> str:
    cards = "".join(
        f'<div class="isv-r PNCib MSM1fd" data-ri="{number}" data-id="{shot.docid}"'
        f' data-tbnid="{shot.docid}" data-ow="{shot.width}" data-oh="{shot.height}">'
        f'<a class="wXeWr islib" role="button"><img class="rg_i Q4LuWd" data-iid="{number}"'
        f' src="{PIXEL}"></a><a class="VFACy kGQAp" href="{html.escape(shot.page_url)}"'
        f' title="{html.escape(shot.title)}"><div class="fxgdke"><img src="{INLINE}" data-sz="16">'
        f'<div>Site</div></div><span class="WGvvNb">{html.escape(shot.title)}</span></a></div>'
        for number, shot in enumerate(shown)
    )
    records = [record(shot, is_height_first=True) for shot in shown]
    if is_of_2020:
        data = [None] * 31 + [[[None] * 12 + [[None, None, [[1, one] for one in records]]]]]
        returned = f"function(){{return {script_json(data)}}}"
    else:
        inner = [[[{"444383007": [1, one]}]] for one in records]
        data = [None] * 56 + [[1, [[[1, inner]]]]]
        returned = script_json(data)
    call = f"AF_initDataCallback({{key: 'ds:1', hash: '2', data:{returned}, sideChannel: {{}}}});"
    inline = "".join(
        f"_setImgSrc('{number}','{INLINE.replace('/', chr(92) + '/')}');"
        for number in range(min(20, len(shown)))
    )
    return page(
        f'<div id="islmp"><div id="islrg"><div class="islrc">{cards}</div></div></div>',
        call,
        inline,
    )


def l3(shown: Sequence[Shot]) -> str:
    cards = "".join(
        f'<div jsname="dTDiAc" data-lpage="{html.escape(shot.page_url)}" data-docid="{shot.docid}">'
        '<div jsname="qQjpJ"><h3><a role="button"><div class="H8Rx8c"><g-img class="mNsIhb">'
        f'<img class="YQ4gaf" src="{html.escape(shot.thumbnail_url)}"'
        f' alt="{html.escape(shot.title)}">'
        "</g-img></div></a></h3></div></div>"
        for shot in shown
    )
    return page(f'<div id="rso"><div class="islrc">{cards}</div></div>', _blob(shown))


def l4(shown: Sequence[Shot]) -> str:
    cards = "".join(l4_card(shot, number) for number, shot in enumerate(shown))
    inline = "".join(
        f"(function(){{var s='{INLINE}\\x3d';var ii=['dimg_{number}'];_setImagesSrc(ii,s,r);}})();"
        for number in range(len(shown))
    )
    return page(f'<div id="search"><div role="list">{cards}</div></div>', _blob(shown), inline)


def l4_card(shot: Shot, number: int) -> str:
    return (
        '<div class="eA0Zlc ivg-i F0uyec" data-attrid="images universal" data-ivep="true"'
        f' data-docid="{shot.docid}" data-lpage="{html.escape(shot.page_url)}"'
        f' data-ref-docid="refDocid" data-ri="{number}"><div jsname="qQjpJ"><h3><a role="button">'
        f'<img id="dimg_{number}" class="YQ4gaf" src="{PIXEL}" alt="{html.escape(shot.title)}">'
        '</a></h3></div><div class="Xxy7Vb"><span>Site</span></div>'
        f'<div class="toI8Rb OSrXXb">{html.escape(shot.title)}</div></div>'
    )


def _blob(shown: Sequence[Shot]) -> str:
    prefix = "aBcDeFgHiJkLmNoPqRsTuVw"
    records = {f"{prefix}{number}": [1, record(shot)] for number, shot in enumerate(shown)}
    return f"(function(){{var m={script_json(records)};}})();"


def l6(shown: Sequence[Shot], *, has_imgres: bool = True) -> str:
    rows = "".join(
        f'<td><div class="lIMUZd"><div><a href="{html.escape(_l6_href(shot, has_imgres))}">'
        f'<div class="kCmkOe"><img class="DS1iW" src="{html.escape(shot.thumbnail_url)}" alt="">'
        f'</div></a></div><div><a href="/url?q={quote(shot.page_url, safe="")}&amp;sa=U">'
        f'<span class="fYyStc">{html.escape(shot.title)}</span></a></div></div></td>'
        for shot in shown
    )
    return page(
        f'<table class="GpQGbf"><tr>{rows}</tr></table><table class="uZgmoc"><tr><td>'
        '<a href="/search?q=shrew&amp;start=20">Next</a></td></tr></table>'
    )


def _l6_href(shot: Shot, has_imgres: bool) -> str:
    if not has_imgres:
        return f"/url?q={quote(shot.page_url, safe='')}&sa=U&ved=2ah"
    return (
        f"/imgres?imgurl={quote(shot.image_url, safe='')}&imgrefurl={quote(shot.page_url, safe='')}"
        f"&h={shot.height}&w={shot.width}&tbnid={shot.docid}&q=shrew"
    )


LAYOUTS: dict[str, Callable[[Sequence[Shot]], str]] = {
    "L1": l1,
    "L2": l2,
    "L2 of 2020": lambda shown: l2(shown, is_of_2020=True),
    "L3": l3,
    "L4 with L5": l4,
    "L6": l6,
}


def with_random_classes(text: str, *, seed: int = 0) -> str:
    """The page with every class name replaced by random letters."""
    rng = random.Random(seed)

    def other(match: re.Match[str]) -> str:
        return 'class="' + "".join(rng.choices("abcdefghij", k=6)) + '"'

    return re.sub(r'class="[^"]*"', other, text)


# --- pages without results -------------------------------------------------------------

SORRY = (
    "<html><head><title>https://www.google.com/search?q=shrew</title></head><body>"
    '<form id="captcha-form" action="index" method="post"><div class="g-recaptcha"'
    ' data-sitekey="k"></div><input type="hidden" name="q" value="t"></form>'
    "<b>About this page</b> Our systems have detected unusual traffic from your computer network."
    "</body></html>"
)
SORRY_STUB = (
    '<html><head><meta http-equiv="refresh" content="0;url=/sorry/index?continue=x"></head></html>'
)
TOO_MANY = (
    "<html lang=en><title>Error 429 (Too Many Requests)!!1</title><p><b>429.</b> <ins>That’s an"
    " error.</ins><p>We're sorry, but you have sent too many requests to us recently. Please try"
    " again later. <ins>That’s all we know.</ins></html>"
)
FORBIDDEN = (
    "<html lang=en><title>Error 403 (Forbidden)!!1</title><p><b>403.</b> <ins>That’s an error."
    "</ins><p>Your client does not have permission to get URL <code>/search</code> from this"
    " server. <ins>That’s all we know.</ins></html>"
)
JS_SHELL = (
    "<html><head><title>Google Search</title></head><body><noscript>"
    '<meta content="0;url=/httpservice/retry/enablejs?sei=x" http-equiv="refresh">'
    "</noscript><div>If you're having trouble accessing Google Search, please"
    ' <a href="/search?q=shrew&emsg=SG_REL&sei=x">click here</a></div></body></html>'
)
CONSENT = (
    "<html><head><title>Voordat je verdergaat</title></head><body>"
    + "".join(
        '<form action="https://consent.google.com/save" method="POST">'
        '<input type="hidden" name="bl" value="b"><input type="hidden" name="continue" value="u">'
        f'<input type="hidden" name="set_eom" value="{eom}">{more}<button>x</button></form>'
        for eom, more in (
            ("true", ""),
            ("false", '<input type="hidden" name="set_sc" value="true">'),
        )
    )
    + "</body></html>"
)
OVERLAY = (
    '<div id="CXQnmb" role="dialog"><button id="W0wltc">Alle ablehnen</button>'
    '<button id="L2AGLb">Alle akzeptieren</button></div>'
)
SIGN_IN = (
    "<html><head><title>Sign in</title></head><body>"
    '<form action="https://accounts.google.com/v3/signin"><input type="email" id="identifierId">'
    "</form></body></html>"
)
UNSUPPORTED = (
    "<html><body><h1>Aktualisiere deinen Browser</h1><a href='https://www.google.com/chrome/'>C</a>"
    "<a href='https://www.mozilla.org/firefox/'>F</a></body></html>"
)
BROWSER_ERROR = (
    '<html><body id="t" class="neterror"><div id="main-frame-error">This site can’t be reached'
    '<script>var d={"errorCode":"ERR_CONNECTION_REFUSED"};</script></div></body></html>'
)
NO_RESULTS = page(
    "<div id=search><p>Your search - <em>shrew</em> - did not match any image results.</p></div>"
)
NEW_LAYOUT = page(
    "<main>"
    + "".join(f"<p-card v='{n}'><picture-x></picture-x></p-card>" for n in range(40))
    + "</main>"
)
