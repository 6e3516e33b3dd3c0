"""What was compared before is not compared again, and nothing else depends on that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import reasons
from curation.curate import curate
from curation.flags import Thresholds
from curation.lookalikes import Album
from curation.pairs import Pair
from curation.recalled import _code, recalled
from curation.recipe import CurationRecipe
from curation.review import Decision
from curation.stars import Compared, Standing
from curation.store import Store, place_of
from scraper.harvest import Harvest
from tests.curation.making import curated, encoded, gathered, jpeg, picture, tree


@pytest.fixture
def comparisons(monkeypatch) -> list[CurationRecipe]:
    """The recipe of every comparison that is made, as it is made."""
    made: list[CurationRecipe] = []
    star_pairs = Album.star_pairs

    def noted(album, recipe, *others, **named):
        made.append(recipe)
        return star_pairs(album, recipe, *others, **named)

    monkeypatch.setattr(Album, "star_pairs", noted)
    return made


@pytest.fixture
def root(shrews_and_mice, tmp_path, comparisons):
    """A dataset that was made once."""
    curated(shrews_and_mice, tmp_path / "dataset")
    assert len(comparisons) == 1
    comparisons.clear()
    return tmp_path / "dataset"


def test_a_second_run_compares_nothing_and_gives_the_same_bytes(shrews_and_mice, root, comparisons):
    before = tree(root.parent)
    curated(shrews_and_mice, root)
    assert comparisons == []
    assert tree(root.parent) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"splits": (0.5, 0.25, 0.25)},
        {"seed": 9},
        {"folds": 2},
        {"thresholds": Thresholds(blurred=0.5)},
    ],
)
def test_another_split_or_flag_compares_nothing(shrews_and_mice, root, comparisons, changes):
    recipe = CurationRecipe(**changes)
    rows = curated(shrews_and_mice, root, recipe).dataset.rows
    assert comparisons == []
    assert rows == curated(shrews_and_mice, root.with_name("fresh"), recipe).dataset.rows


@pytest.mark.parametrize("changes", [{"min_likeness": 0.95}, {"candidate_bits": 6}])
def test_other_rules_compare_anew(shrews_and_mice, root, comparisons, changes):
    recipe = CurationRecipe(**changes)
    rows = curated(shrews_and_mice, root, recipe).dataset.rows
    assert comparisons == [recipe]
    assert rows == curated(shrews_and_mice, root.with_name("fresh"), recipe).dataset.rows


def test_two_pictures_that_a_person_tells_apart_compare_anew(shrews_and_mice, root, comparisons):
    rows = curated(shrews_and_mice, root).dataset.rows
    (alike,) = (row for row in rows if row.reason.startswith(reasons.NEAR_DUPLICATE))
    (star,) = (row for row in rows if row.kept and row.group == alike.group)
    apart = Decision(digest=alike.digest, species="", decision="distinct", to=star.digest)
    with Harvest.open(shrews_and_mice) as opened:
        *_, last = curate(opened, root, recipe=CurationRecipe(), workers=1, decisions=[apart])
    assert len(comparisons) == 1
    assert [row.kept for row in last.dataset.rows if row.digest == alike.digest] == [True]


def test_one_more_image_compares_anew(tmp_path, comparisons):
    images = [("mouse", jpeg(number)) for number in range(8)]
    recipe = CurationRecipe(splits=(1, 0, 0))
    curated(gathered(tmp_path / "few", images), tmp_path / "dataset", recipe)
    smaller = encoded(picture(3).resize((80, 60)))
    more = gathered(tmp_path / "more", [*images, ("mouse", smaller)])
    rows = curated(more, tmp_path / "dataset", recipe).dataset.rows
    assert len(comparisons) == 2
    assert [row.kept for row in rows].count(False) == 1


def test_a_comparison_that_was_damaged_is_made_anew(shrews_and_mice, root, comparisons):
    before = tree(root.parent)
    (folder,) = (path for path in place_of(root).iterdir() if path.is_dir())
    with sqlite3.connect(folder / "results.sqlite") as rows:
        rows.execute("UPDATE compared SET body = substr(body, 1, length(body) - 24)")
    rows.close()
    curated(shrews_and_mice, root)
    assert len(comparisons) == 1
    assert tree(root.parent) == before


def test_the_latest_few_comparisons_are_known(shrews_and_mice, root, comparisons):
    for likeness in (0.91, 0.92, 0.93, 0.94, 0.94, 0.92):
        curated(shrews_and_mice, root, CurationRecipe(min_likeness=likeness))
    assert [recipe.min_likeness for recipe in comparisons] == [0.91, 0.92, 0.93, 0.94]
    curated(shrews_and_mice, root)
    assert len(comparisons) == 5


class Given(Album):
    """An album of which it is known what comes of comparing its pictures, and how often it was."""

    outcomes: list[Compared]
    asked = 0

    def star_pairs(self, *_: object, **__: object) -> Iterator[Compared]:
        self.asked += 1
        return iter(self.outcomes)


STANDING = Standing(digest="ab" * 32, pixels=9, coded_bytes=5)
BASE = {
    "recipe": CurationRecipe(),
    "standings": [STANDING, replace(STANDING, digest="cd" * 32)],
    "species": [{"mouse"}, {"mouse", "shrew"}],
    "apart": frozenset(),
}


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": CurationRecipe(candidate_bits=9)},
        {"recipe": CurationRecipe(crop_bits=9)},
        {"recipe": CurationRecipe(min_likeness=0.9)},
        {"standings": BASE["standings"][::-1]},
        *(
            {"standings": [replace(STANDING, **one), BASE["standings"][1]]}
            for one in (
                *({"digest": "ef" * 32}, {"pixels": 8}, {"coded_bytes": 4}),
                *({"has_palette": True}, {"is_soft": True}, {"is_grey": True}),
            )
        ),
        {"species": [{"mouse"}, {"mouse"}]},
        {"species": [{"mouse", "shrew"}, {"mouse"}]},
        {"apart": {(0, 1)}},
        {"code": "of another version"},
    ],
)
def test_all_that_a_comparison_depends_on_compares_anew(tmp_path, monkeypatch, changes):
    album = Given()
    album.outcomes = []
    with Store(tmp_path) as store:
        for asked in (1, 1):
            list(recalled(store, album, **BASE))
            assert album.asked == asked
        changed = BASE | changes
        if code := changed.pop("code", None):
            monkeypatch.setattr("curation.recalled._code", lambda: code)
        list(recalled(store, album, **changed))
        assert album.asked == 2


def test_what_cannot_be_known_to_be_the_same_is_compared_every_time(tmp_path, monkeypatch):
    def no_source(_):
        raise OSError("the code lies in an archive")

    monkeypatch.setattr("curation.recalled.sources", no_source)
    monkeypatch.setattr("curation.recalled._code", _code.__wrapped__)
    album = Given()
    album.outcomes = []
    with Store(tmp_path) as store:
        for asked in (1, 2):
            assert list(recalled(store, album, **BASE)) == []
            assert album.asked == asked


PLACES = st.integers(0, 2**31 - 1)
PAIRS = st.builds(Pair, first=PLACES, second=PLACES, likeness=st.floats(0, 1))
OUTCOMES = st.builds(
    Compared,
    pairs=st.lists(PAIRS, max_size=4).map(tuple),
    settled=st.integers(0, 9),
    suggested=st.integers(0, 9),
    unmarked=st.dictionaries(PLACES, PLACES, max_size=3),
)


@given(outcomes=st.lists(OUTCOMES, max_size=4))
def test_what_is_recalled_is_what_was_found(tmp_path_factory, outcomes):
    album = Given()
    album.outcomes = outcomes
    with Store(tmp_path_factory.mktemp("store")) as store:
        first, again = (
            list(recalled(store, album, CurationRecipe(), [], [], apart=frozenset()))
            for _ in range(2)
        )
    assert first == outcomes
    assert pairs_of(again) == pairs_of(first)
    assert unmarked_of(again) == unmarked_of(first)
    assert sum(one.settled for one in again) == len(pairs_of(again))


def pairs_of(outcomes):
    return [pair for outcome in outcomes for pair in outcome.pairs]


def unmarked_of(outcomes):
    return {one: other for outcome in outcomes for one, other in outcome.unmarked.items()}
