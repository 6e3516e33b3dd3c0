from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dataset import Dataset, Row
from training.errors import OtherDataError, PicturesError, UsageError
from training.portions import WHOLE, Portion, fold_splits, shared_out

SPECIES = ("hamster", "mouse", "shrew")


def _rows(sizes: list[list[int]]) -> tuple[Row, ...]:
    """Kept training pictures: for each species the sizes of its look-alike groups."""
    return tuple(
        Row(
            digest=f"{species}-{group}-{picture}",
            species=species,
            split="train",
            kept=True,
            group=f"{species}-{group}" if size > 1 else None,
        )
        for species, groups in zip(SPECIES, sizes, strict=False)
        for group, size in enumerate(groups)
        for picture in range(size)
    )


def _found_on(host_of: Callable[[str, int], str], count: int) -> tuple[Row, ...]:
    """Kept training pictures, `count` of each species, each on the one page of its host."""
    return tuple(
        Row(
            digest=f"{100 * place + number:064x}",
            species=species,
            split="train",
            kept=True,
            page_url=f"https://{host_of(species, number)}.example/a",
        )
        for place, species in enumerate(SPECIES)
        for number in range(count)
    )


groups = st.lists(st.lists(st.integers(1, 4), min_size=5, max_size=12), min_size=2, max_size=3).map(
    _rows
)


@settings(max_examples=12, deadline=None)
@given(rows=groups, folds=st.integers(2, 5), seed=st.integers(0, 2**40))
def test_each_picture_is_tested_in_one_fold_and_never_beside_its_look_alikes_elsewhere(
    rows: tuple[Row, ...], folds: int, seed: int
) -> None:
    dealt = [fold_splits(rows, folds, test=test, seed=seed) for test in range(1, folds + 1)]

    tested = Counter(key for splits in dealt for key, split in splits.items() if split == "test")
    assert tested == {row.digest: 1 for row in rows}
    for splits in dealt:
        assert set(splits) == {row.digest for row in rows}
        homes = {(row.species, row.group, splits[row.digest]) for row in rows if row.group}
        assert len(homes) == len({(species, group) for species, group, _ in homes})
        trained = {row.species for row in rows if splits[row.digest] == "train"}
        assert trained == {row.species for row in rows}


@settings(max_examples=30, deadline=None)
@given(rows=groups, seed=st.integers(0, 2**40))
def test_a_larger_share_holds_all_that_a_smaller_one_does(rows: tuple[Row, ...], seed: int) -> None:
    dealt = [shared_out(rows, share, seed=seed) for share in (0.25, 0.5, 0.75, 1.0)]

    for smaller, larger in itertools.pairwise(dealt):
        assert set(smaller) <= set(larger)
    assert set(dealt[-1]) == {row.digest for row in rows}
    for share, splits in zip((0.25, 0.5, 0.75), dealt, strict=False):
        kept = Counter(row.species for row in rows if row.digest in splits)
        for species, count in Counter(row.species for row in rows).items():
            assert share * count <= kept[species] < share * count + 1 + 4


def test_a_share_leaves_validation_and_test_as_they_are() -> None:
    rows = tuple(
        Row(digest=f"{split}{number}", species="mouse", split=split, kept=True)  # type: ignore[arg-type]
        for split in ("train", "val", "test")
        for number in range(8)
    )

    dealt = Counter(shared_out(rows, 0.25, seed=0).values())

    assert dealt == {"train": 2, "val": 8, "test": 8}


def test_the_folds_that_curation_noted_are_taken() -> None:
    rows = tuple(
        Row(digest=f"{species}{n}", species=species, split="train", kept=True, fold=n % 3)
        for species in SPECIES
        for n in range(9)
    )

    second = fold_splits(rows, 3, test=2, seed=0)

    assert {key for key, split in second.items() if split == "test"} == {
        row.digest for row in rows if row.fold == 1
    }


def test_a_species_with_few_pictures_takes_none_from_the_training_of_the_others() -> None:
    rows = _rows([[1] * 60, [1] * 60, [1] * 3])

    for test in (1, 2, 3):
        dealt = fold_splits(rows, 3, test=test, seed=0)
        counts = Counter((row.species, dealt[row.digest]) for row in rows)

        for species in SPECIES[:2]:
            assert 4 <= counts[species, "val"] <= 6
            assert counts[species, "train"] >= 34
        assert counts["shrew", "test"] == 1
        assert counts["shrew", "train"] >= 1


@settings(max_examples=40, deadline=None)
@given(
    rows=st.tuples(
        st.lists(st.integers(1, 4), min_size=2, max_size=3),
        st.lists(st.integers(1, 4), min_size=12, max_size=20),
    ).map(lambda sizes: _rows(list(sizes))),
    seed=st.integers(0, 2**40),
)
def test_a_species_of_few_groups_keeps_one_to_train_on(rows: tuple[Row, ...], seed: int) -> None:
    for test in (1, 2):
        dealt = fold_splits(rows, 2, test=test, seed=seed)

        assert {row.species for row in rows if dealt[row.digest] == "train"} == set(SPECIES[:2])


def test_a_fold_that_leaves_a_species_nothing_to_train_on_is_told() -> None:
    rows = tuple(
        Row(
            digest=f"{species}{n}",
            species=species,
            split="train",
            kept=True,
            fold=1 if species == "shrew" else n % 3,
            group="one" if species == "shrew" else None,
        )
        for species in SPECIES
        for n in range(9)
    )

    with pytest.raises(PicturesError, match="fold 2 of 3 leaves no picture of shrew to train on"):
        fold_splits(rows, 3, test=2, seed=0)


def test_a_host_of_most_pictures_does_not_choose() -> None:
    rows = _found_on(lambda species, number: "big" if number < 60 else f"{species}{number}", 100)

    for test in (1, 2, 3):
        dealt = Counter(fold_splits(rows, 5, test=test, seed=0, by="host").values())
        assert dealt["val"] <= 25


def test_what_other_rules_dealt_is_not_dealt_anew(make_dataset: Callable[..., Dataset]) -> None:
    dataset = make_dataset({"hamster": (9, 3, 3), "mouse": (9, 3, 3)})

    with pytest.raises(OtherDataError, match="another Bestiary dealt fold 1 of 3"):
        Portion(fold=1, folds=3, dealing=1).of(dataset)
    assert Portion(dealing=1).of(dataset) is dataset


def test_pages_stay_whole_where_curation_kept_them_so() -> None:
    rows = _found_on(lambda species, number: f"{species}{number // 4}", 40)

    def torn(dealt: Mapping[str, str]) -> int:
        homes = {(row.page_url, dealt.get(row.digest, "none")) for row in rows}
        return len(homes) - len({page for page, _ in homes})

    assert torn(fold_splits(rows, 5, test=1, seed=0)) > 0
    assert torn(fold_splits(rows, 5, test=1, seed=0, by="page")) == 0
    assert torn(shared_out(rows, 0.5, seed=0)) > 0
    assert torn(shared_out(rows, 0.5, seed=0, by="page")) == 0


def test_too_few_groups_for_the_folds_are_told_with_the_species() -> None:
    rows = _rows([[1] * 9, [4, 4]])

    with pytest.raises(PicturesError, match=r"mouse has only 2 groups .* too few for 5"):
        fold_splits(rows, 5, test=1, seed=0)


@pytest.mark.parametrize("values", [{"folds": 1, "fold": 1}, {"share": 0.0}, {"share": 1.5}])
def test_a_portion_that_is_none_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Portion(**values)  # type: ignore[arg-type]


def test_a_portion_is_locked_as_the_dataset_is_and_never_taken_for_it(
    make_dataset: Callable[..., Dataset],
) -> None:
    dataset = make_dataset({"hamster": (6, 2, 2), "mouse": (6, 2, 2)})

    dealt = Portion(fold=1, folds=2).of(dataset)

    assert WHOLE.of(dataset) is dataset
    assert dealt.species == dataset.species
    assert dealt.lock_digest != dataset.lock_digest
    assert dealt.lock_digest != Portion(fold=2, folds=2).of(dataset).lock_digest
    dealt.require_locked()
    assert len(dealt.images("test")) == 10
    dataset.path(dealt.images("test")[0]).write_bytes(b"other")
    with pytest.raises(Exception, match="is not what"):
        dealt.require_locked()
