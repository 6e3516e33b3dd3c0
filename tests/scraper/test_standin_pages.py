from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.standin import pages

CARD = pages.Card(
    rank=0,
    docid="abcdefghij-_12",
    image_url="http://127.0.0.2:1/photos/abcdefghij-_12/1.jpg",
    page_url="http://127.0.0.2:1/pages/abcdefghij-_12/dog.html",
    thumbnail_url="http://127.0.0.1:1/images?q=tbn:ANd9Gcabcdefghij-_12&s",
    title="Dog",
    site_name="Dusk Watch",
    domain="127.0.0.2:1",
    width=800,
    height=600,
    thumbnail_width=256,
    thumbnail_height=192,
    size_bytes=100_000,
)


def results(*cards: pages.Card) -> str:
    return pages.results("dog", cards, next_start=None, has_button=False, has_overlay=False)


def record(text: str) -> list:
    (literal,) = re.findall(r"var m=(\{.*?\});var a=", text)
    ((_, (_, found)),) = json.loads(literal).items()
    return found


@given(title=st.text(max_size=40), name=st.text(max_size=40))
def test_whatever_a_picture_is_called_its_record_and_card_can_be_read(title, name):
    card = replace(CARD, title=title, site_name=name)
    text = results(card)
    more = record(text)[-1]
    assert (more["2003"][3], more["2003"][12], more["2008"][1]) == (title, name, title)
    scripts = "".join(re.findall(r"<script>(.*?)</script>", text, re.DOTALL))
    assert not set("<>") & set(scripts.split("var m=")[1].split(";var a=")[0])
    token = re.findall(r'data-ved="([^"]+)"', text)[0]
    assert json.loads(base64.b64decode(html.unescape(token)))["title"] == title


def test_a_record_has_everything_in_its_own_place():
    _, docid, thumbnail, full, nothing, zero, colour, _, _, more = record(results(CARD))
    assert docid == CARD.docid
    assert thumbnail == [CARD.thumbnail_url, 256, 192]
    assert full == [CARD.image_url, 800, 600]
    assert (nothing, zero) == (None, 0)
    assert re.fullmatch(r"rgb\(\d+,\d+,\d+\)", colour)
    assert more["2000"] == [None, CARD.domain, "97KB"]
    assert more["2003"][1:4] == [CARD.docid, CARD.page_url, "Dog"]
    assert more["2003"][17] == CARD.domain


@pytest.mark.parametrize("place", ["hover", "panel"])
def test_a_hidden_address_is_nowhere_in_the_page_in_plain_text(place):
    text = results(replace(CARD, address_in=place))
    assert CARD.docid in text
    assert CARD.image_url not in text
    assert "/photos/" not in text


@given(query=st.text(max_size=40))
def test_a_query_is_shown_and_never_run(query):
    for text in (
        pages.no_results(query),
        pages.results(query, [CARD], next_start=1, has_button=True, has_overlay=True),
    ):
        assert html.escape(query).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text


def test_a_batch_comes_in_pieces_and_says_what_follows():
    cards = [replace(CARD, rank=rank, docid=f"docid-{rank}") for rank in range(14)]
    batch = pages.batch("dog", cards, next_start=54, has_button=True)
    assert [piece["html"].count("data-docid=") for piece in batch["pieces"]] == [6, 6, 2]
    assert (batch["next"], batch["button"], batch["end"]) == (54, True, "")
    last = pages.batch("dog", [], next_start=None, has_button=False)
    assert last["pieces"] == []
    assert "Looks like you've reached the end" in last["end"]
