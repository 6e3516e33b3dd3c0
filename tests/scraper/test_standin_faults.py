from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.errors import UsageError
from scraper.standin.faults import Block, Faults

DOCIDS = [f"docid-{number}" for number in range(200)]
names = st.lists(st.text(max_size=8), unique=True, max_size=60)
shares = st.floats(0, 0.1)


@given(
    docids=names,
    share=shares,
    other=shares,
    seed=st.integers(0, 99),
)
def test_each_fault_strikes_its_share_to_the_nearest_picture(docids, share, other, seed):
    struck = Faults(seed=seed, share_dead=share, share_reset=other).of_images(docids)
    counts = Counter(struck.values())
    assert set(struck) <= set(docids)
    assert abs(counts["dead"] - share * len(docids)) <= 1
    assert abs(counts["reset"] - other * len(docids)) <= 1


def test_the_seed_and_nothing_else_decides_who_is_struck():
    def struck(docids, seed):
        return Faults(seed=seed, share_html=0.2).of_images(docids)

    assert struck(DOCIDS, 1) == struck(DOCIDS[::-1], 1)
    assert struck(DOCIDS, 1) != struck(DOCIDS, 2)
    assert len(struck(DOCIDS, 1)) == 40


def test_all_can_be_struck_and_by_default_nobody_is():
    assert len(Faults(share_dead=0.7, share_loop=0.3).of_images(DOCIDS)) == len(DOCIDS)
    assert Faults().of_images(DOCIDS) == {}
    assert Faults().of_cards(DOCIDS) == {}


def test_cards_hide_their_addresses_apart_from_what_befalls_images():
    faults = Faults(share_hover_only=0.5, share_panel_only=0.5, share_dead=0.5)
    assert Counter(faults.of_cards(DOCIDS).values()) == {"hover": 100, "panel": 100}
    assert len(faults.of_images(DOCIDS)) == 100


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"share_dead": -0.1}, "share_dead must not be negative"),
        ({"share_dead": float("nan")}, "share_dead must not be negative"),
        ({"slow_s": -1}, "slow_s must not be negative"),
        ({"share_dead": 0.6, "share_html": 0.6}, "must not pass 1, not 1.2"),
        ({"consent": "maybe"}, "must be one of interstitial, overlay, again, off, not maybe"),
    ],
)
def test_a_senseless_switch_is_refused_by_name(switches, message):
    with pytest.raises(UsageError, match=message):
        Faults(**switches)


def test_a_block_counts_anew_after_it_ends():
    now = [0.0]
    block = Block(Faults(block_after=1, block_for_s=10), clock=lambda: now[0])
    assert [block.turns_away() for _ in range(3)] == [False, True, True]
    assert block.is_on
    now[0] = 10.0
    assert not block.is_on
    assert [block.turns_away() for _ in range(2)] == [False, True]


def test_without_a_limit_nobody_is_ever_turned_away():
    block = Block(Faults(), clock=lambda: 0.0)
    assert not any(block.turns_away() for _ in range(1000))
