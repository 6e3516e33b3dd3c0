"""What was compared before is not compared again, and nothing else depends on that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import reasons
from curation.curate import curate
from curation.flags import Thresholds
from curation.lookalikes import Album
from curation.pairs import Pair
from curation.recalled import recalled
from curation.recipe import CurationRecipe
from curation.review import Decision
from curation.stars import Compared
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
    """An album of which it is known what comes of comparing its pictures."""

    outcomes: list[Compared]

    def star_pairs(self, *_: object, **__: object) -> Iterator[Compared]:
        return iter(self.outcomes)


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
    (known,) = again
    assert known.pairs == tuple(pair for outcome in outcomes for pair in outcome.pairs)
    assert known.unmarked == {
        one: other for outcome in outcomes for one, other in outcome.unmarked.items()
    }
    assert known.settled == known.suggested
