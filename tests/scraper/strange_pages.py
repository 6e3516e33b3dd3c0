"""Results pages that differ from every known one in what a site may change at any time.

The layouts are those of `google_pages`; how their markup is nested, quoted and named, how
their scripts are cut and escaped, which language they speak and what stands between the
results is drawn anew for every seed.
"""

from __future__ import annotations

import html
import json
import random
import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import quote

from tests.scraper.google_pages import INLINE, PIXEL, Shot, shots

TITLES = (
    "Spitzmaus im Garten – “schön” & groß",
    "トガリネズミの写真 [野生] {動物}",
    "زبابة صغيرة في الحديقة",
    "Землеройка: 'фото' <b>крупно</b>",
    "Unusual traffic: a shrew's captcha, consent & cookies",
)
_END = {
    "de": "Keine weiteren Ergebnisse",
    "ja": "これ以上の結果はありません",
    "ar": "لا مزيد من النتائج",
}


class Maker:
    """Draws one page: each part of it asks this one how it shall be written."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.language = self.rng.choice([*_END, "en"])
        self.has_capitals = self.rng.random() < 0.3
        self.closes = self.rng.random() < 0.7
        self.style = self.rng.choice(["plain", "hex", "quoted", "twice quoted", "single quoted"])

    def word(self, length: int = 6) -> str:
        return "".join(self.rng.choices(string.ascii_letters, k=length))

    def shots(self, count: int) -> list[Shot]:
        made = shots(count, seed=self.rng.randrange(10**6), title=self.rng.choice(TITLES))
        return [replace(shot, docid=self._docid(shot.docid)) for shot in made]

    def _docid(self, docid: str) -> str:
        return docid if self.rng.random() < 0.5 else f"{docid[1:]}:"[:-1] + self.word(2)

    def tag(self, name: str, inner: str = "", *, void: bool = False, **attributes: str) -> str:
        """An element with its attributes in any order, quoted in any way."""
        names = [*attributes, "class", "jsaction"]
        self.rng.shuffle(names)
        known = {"class": f"{self.word()} {self.word(4)}", "jsaction": "x:y;z:w", **attributes}
        written = " ".join(self._attribute(key.replace("_", "-"), known[key]) for key in names)
        shown = name.upper() if self.has_capitals else name
        if void:
            return f"<{shown} {written}{self.rng.choice(['', ' /'])}>"
        is_left_open = not self.closes and name in {"p", "li", "td", "span"}
        return f"<{shown} {written}>{inner}" + ("" if is_left_open else f"</{shown}>")

    def _attribute(self, name: str, value: str) -> str:
        escaped = html.escape(value, quote=True)
        way = self.rng.randrange(4)
        if way == 0:
            return f"{name}='{escaped}'"
        if way == 1 and escaped and not set(escaped) & set(" \t\n\"'=<>`/"):
            return f"{name}={escaped}"
        return f'{name} = "{escaped}"' if way == 2 else f'{name}="{escaped}"'

    def wrapped(self, inner: str) -> str:
        for _ in range(self.rng.randrange(4)):
            inner = self.tag(self.rng.choice(["div", "g-x", "section", "c-wiz"]), inner)
        return inner

    # --- records -----------------------------------------------------------------------

    def record(self, shot: Shot) -> list[object]:
        """A record in the places that have been stable, among fields that have not."""
        facts: list[object] = [None, "ref", shot.page_url, shot.title]
        facts += [self.rng.choice([None, 7, "x", [], {}]) for _ in range(self.rng.randrange(16))]
        about: dict[str, object] = {"2003": facts}
        if self.rng.random() < 0.5:
            about = {"2000": [None, "example.net", "88KB"], **about, "2008": [None, "short"]}
        between = [self.rng.choice([None, 0, "rgb(1,2,3)", True]) for _ in range(5)]
        cut = self.rng.randrange(6)
        more = [self.rng.choice([[], None, [1, 2], {"9": 1}])] if self.rng.random() < 0.4 else []
        thumbnail: list[object] = [shot.thumbnail_url, 180, 240]
        full: list[object] = [shot.image_url, shot.width, shot.height]
        if self.rng.random() < 0.3:
            thumbnail, full = [*thumbnail, None, 0], [*full, None, [0]]
        return [self.rng.choice([0, 1]), shot.docid, thumbnail, full, *between[:cut], about, *more]

    def scripts(self, shown: Sequence[Shot]) -> list[str]:
        """The records spread over some scripts, in any order, each in its own wrapping."""
        mixed = list(shown)
        self.rng.shuffle(mixed)
        size = self.rng.choice([7, 40, 10**6])
        parts = [mixed[start : start + size] for start in range(0, len(mixed), size)]
        return [self.escaped(self.rng.choice(_WRAPPINGS)(self, part)) for part in parts]

    def escaped(self, script: str) -> str:
        if self.style == "hex":
            return script.replace("\\u003d", "\\x3d").replace("\\u0026", "\\x26")
        if self.style == "single quoted":
            inner = script.replace("\\", "\\\\").replace("'", "\\x27").replace('"', "\\x22")
            return f"window.q=window.q||[];q.push('{inner}');"
        if self.style == "plain":
            return script
        for _ in range(2 if self.style == "twice quoted" else 1):
            script = f"p({_script_json(script)});"
        return script

    # --- the rest of a page ------------------------------------------------------------

    def noise(self) -> str:
        """Things with pictures and links that are no results."""
        rng, search = self.rng, "/search?q=shrew&udm=2"
        tbn = f"https://encrypted-tbn0.gstatic.com/images?q=tbn:ANd9Gc{self.word(20)}&s=10"
        chip = self.tag("img", void=True, src=tbn, alt="baby")
        icon = self.tag("img", void=True, src="https://example.org/favicon.ico", width="16")
        doodle = "https://www.google.com/logos/doodles/2026/x-2x.gif"
        kinds = [
            self.tag("a", f"{chip}<span>baby</span>", href=f"{search}&chips=q:shrew,g_1:baby"),
            self.tag("a", self.tag("img", void=True, src=doodle), href=f"{search}&ct=doodle"),
            self.tag("a", f"{icon} Example", href="https://maps.google.com/maps?q=shrew"),
            f"<!-- {self.tag('div', data_docid='commented', data_lpage='https://a.example')} -->",
            self.tag("a", "Privacy", href="https://policies.google.com/privacy?hl=de"),
            self.tag("img", void=True, src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP"),
        ]
        return "".join(rng.sample(kinds, rng.randrange(len(kinds))))

    def page(self, body: str, scripts: Sequence[str]) -> str:
        trap = (
            "var c={captcha:'g-recaptcha',u:'https://consent.google.com/save',s:'/sorry/index'};"
            'f(\'<form id="captcha-form" action="/sorry/index">\');'
            "m='Our systems have detected unusual traffic from your computer network';"
        )
        written = "".join(
            f"<script{self.rng.choice(['', ' nonce=a', ' type=text/javascript'])}>{one}</script>"
            for one in (trap, *scripts)
        )
        is_first = self.rng.random() < 0.3
        end = self.tag("div", _END.get(self.language, "The end"))
        box = '<form action="/search"><textarea name=q>shrew</textarea></form>'
        return (
            f"<!DOCTYPE html><html lang={self.language}><head><title>shrew – Google</title>"
            f"{written if is_first else ''}</head><body>{box}{self.noise()}{self.wrapped(body)}"
            f"{self.noise()}{end}{'' if is_first else written}"
            + ("</body></html>" if self.closes else "")
        )


def _script_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for mark in "=&<>'":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


# --- what may stand around records -----------------------------------------------------


def _map(make: Maker, shown: Sequence[Shot]) -> str:
    prefix = make.word(24)
    found = {f"{prefix}{number}": [1, make.record(shot)] for number, shot in enumerate(shown)}
    return f"(function(){{var m={_script_json(found)};for(var k in m)W[k]=m[k]}})();"


def _callback(make: Maker, shown: Sequence[Shot]) -> str:
    turned = [make.record(replace(one, width=one.height, height=one.width)) for one in shown]
    inner: object = [[{make.rng.choice(["444383007", "99"]): [1, one]}] for one in turned]
    for _ in range(make.rng.randrange(1, 8)):
        inner = [None] * make.rng.randrange(12) + [inner]
    key, data = make.rng.randrange(9), _script_json(inner)
    if make.rng.random() < 0.5:
        data = f"function(){{return {data}\n}}"
    return f"AF_initDataCallback({{key: 'ds:{key}', isError: false, hash: '7', data:{data}}});"


def _bare(make: Maker, shown: Sequence[Shot]) -> str:
    return f"var {make.word(3)} = {_script_json([make.record(one) for one in shown])} ; init( );"


_WRAPPINGS: tuple[Callable[[Maker, Sequence[Shot]], str], ...] = (_map, _callback, _bare)


# --- the layouts -----------------------------------------------------------------------


def strange_l1(make: Maker, shown: Sequence[Shot]) -> str:
    def card(shot: Shot) -> str:
        facts = {
            "id": shot.docid + make.rng.choice(["", ":"]),
            "ou": shot.image_url,
            "ow": make.rng.choice([shot.width, str(shot.width)]),
            "oh": shot.height,
            "tu": shot.thumbnail_url,
            "ru": shot.page_url,
            "pt": html.escape(shot.title, quote=False),
            "st": "Site",
        }
        items = list(facts.items())
        make.rng.shuffle(items)
        meta = html.escape(
            json.dumps(dict(items), ensure_ascii=make.rng.random() < 0.5), quote=False
        )
        image = make.tag("img", void=True, src=PIXEL, data_src=shot.thumbnail_url)
        return make.tag("div", make.tag("a", image, href="#") + make.tag("div", meta))

    return make.page("".join(map(card, shown)), [])


def strange_l2(make: Maker, shown: Sequence[Shot]) -> str:
    def card(number: int, shot: Shot) -> str:
        ids = {make.rng.choice(["data_id", "data_tbnid", "data_docid"]): shot.docid}
        image = make.tag("img", void=True, src=PIXEL, data_iid=str(number))
        caption = make.tag("span", html.escape(shot.title)) + make.tag("div", "Site")
        parts = [
            make.tag("a", make.wrapped(image), role="button"),
            make.tag("a", caption, href=shot.page_url, title=shot.title),
        ]
        sides = {"data_ow": str(shot.width), "data_oh": str(shot.height)}
        return make.tag("div", "".join(parts), data_ri=str(number), **ids, **sides)

    cards = "".join(card(number, shot) for number, shot in enumerate(shown))
    return make.page(make.wrapped(cards), make.scripts(shown))


def strange_l4(make: Maker, shown: Sequence[Shot], *, has_records: bool = True) -> str:
    def card(number: int, shot: Shot) -> str:
        is_linked = make.rng.random() < 0.5
        source = shot.thumbnail_url if is_linked else PIXEL
        image = make.tag("img", void=True, src=source, alt=shot.title, id=f"dimg_{number}")
        parts = [
            make.tag("h3", make.tag("a", make.wrapped(image), role="button")),
            make.tag("div", make.tag("span", "Site")),
            make.tag("div", html.escape(shot.title)),
        ]
        return make.tag(
            make.rng.choice(["div", "li", "g-card"]),
            "".join(parts),
            data_docid=shot.docid,
            data_lpage=shot.page_url,
            data_ri=str(number),
        ) + (make.noise() if make.rng.random() < 0.05 else "")

    cards = "".join(card(number, shot) for number, shot in enumerate(shown))
    inline = "".join(
        f"(function(){{var s='{INLINE}{number}\\x3d';var ii=['dimg_{number}'];_set(ii,s);}})();"
        for number in range(len(shown))
    )
    records = make.scripts(shown) if has_records else []
    return make.page(make.wrapped(cards), [inline, *records])


def strange_l3(make: Maker, shown: Sequence[Shot]) -> str:
    """Cards with a page, and records, that only the preview joins."""

    def card(shot: Shot) -> str:
        image = make.tag("img", void=True, src=shot.thumbnail_url, alt=shot.title)
        inner = make.tag("h3", make.tag("a", make.wrapped(image), role="button"))
        return make.tag("div", inner, jsname=make.word(), data_lpage=shot.page_url)

    return make.page("".join(map(card, shown)), make.scripts(shown))


def strange_l6(make: Maker, shown: Sequence[Shot], *, has_imgres: bool = True) -> str:
    host = make.rng.choice(["", "https://www.google.de", "//www.google.co.jp"])

    def card(shot: Shot) -> str:
        page = {"q": shot.page_url, "sa": "U", "ved": make.word(20)}
        image_link = {
            "imgurl": shot.image_url,
            "imgrefurl": shot.page_url,
            "w": str(shot.width),
            "h": str(shot.height),
            "tbnid": shot.docid,
        }
        items = list(image_link.items())
        make.rng.shuffle(items)
        href = (
            f"{host}/imgres?{_query(dict(items))}" if has_imgres else f"{host}/url?{_query(page)}"
        )
        image = make.tag("img", void=True, src=shot.thumbnail_url, alt="")
        caption = make.tag(
            "a", make.tag("span", html.escape(shot.title)), href=f"/url?{_query(page)}"
        )
        return make.tag("td", make.wrapped(make.tag("a", image, href=href) + caption))

    rows = "".join(
        f"<tr>{''.join(map(card, shown[at : at + 4]))}" for at in range(0, len(shown), 4)
    )
    nextly = make.tag("a", "Weiter", href="/search?q=shrew&start=20")
    return make.page(f"<table>{rows}</table>{nextly}", [])


def _query(values: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items())


def strange_new(make: Maker, shown: Sequence[Shot]) -> str:
    """A layout of the future: its own elements, and records as objects with keys of its own."""
    keys = [make.word(4) for _ in range(6)]
    is_named = make.rng.random() < 0.5

    def card(shot: Shot) -> str:
        image = make.tag("img", void=True, src=PIXEL if is_named else shot.thumbnail_url)
        caption = make.tag("p-caption", html.escape(shot.title))
        return make.tag("p-card", make.wrapped(image) + caption, data_docid=shot.docid)

    def about(shot: Shot) -> object:
        items: list[tuple[str, object]] = [
            (keys[0], shot.docid),
            (keys[1], {"src": shot.thumbnail_url, "size": [180, 240]}),
            (keys[2], {"size": [shot.width, shot.height], "src": shot.image_url}),
            (keys[3], {keys[4]: shot.page_url, keys[5]: shot.title}),
        ]
        make.rng.shuffle(items)
        return dict(items)

    data = {"state": {"query": "shrew", "items": [about(shot) for shot in shown], "next": 20}}
    script = make.escaped(f"window.__STATE__={_script_json(data)};boot()")
    return make.page("".join(map(card, shown)), [script])


def strange_bare(make: Maker, shown: Sequence[Shot]) -> str:
    """No records and no telling attributes: pictures, and links to the pages they are from."""

    def card(shot: Shot) -> str:
        image = make.tag("img", void=True, src=shot.thumbnail_url, data_x=make.word())
        caption = make.tag("a", html.escape(shot.title), href=shot.page_url)
        return make.tag("x-tile", make.wrapped(image) + make.wrapped(caption))

    return make.page("".join(map(card, shown)), [])


LAYOUTS: dict[str, Callable[[Maker, Sequence[Shot]], str]] = {
    "L1": strange_l1,
    "L2": strange_l2,
    "L3": strange_l3,
    "L4 with L5": strange_l4,
    "L6": strange_l6,
    "one that nobody knows": strange_new,
}


def mixed(make: Maker, shown: Sequence[Shot]) -> str:
    """Half of the results as cards of today, half as links of the basic page."""
    half = len(shown) // 2
    return strange_l4(make, shown[:half]) + strange_l6(make, shown[half:])
