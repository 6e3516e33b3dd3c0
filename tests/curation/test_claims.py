"""Who claims a picture, and what a conflict shows of each side."""

from __future__ import annotations

from curation.claims import Claim, claims_of, conflicts, contending
from curation.dataset import Row
from curation.pairs import Pair


def row(digest, species, reason="conflict: also under another", **values):
    return Row(digest=digest, species=species, group="a", reason=reason, **values)


def pair(first, second):
    return Pair(first=first, second=second, likeness=0.9)


def owner(*digests, kept=()):
    return claims_of(digests, frozenset(kept)).owner


def test_a_group_of_one_species_has_an_owner_and_one_of_two_has_none():
    assert owner(("a", {"shrew"}), ("c", {"shrew"})) == "shrew"
    assert owner(("a", {"shrew"}), ("b", {"mouse"})) is None
    assert owner(("a", {"shrew", "mouse"})) is None


def test_look_alikes_in_two_groups_contend_under_one_name():
    species = [{"shrew"}, {"mouse"}, {"shrew"}, {"vole"}, {"shrew"}]
    home = [2, 1, 2, 3, 4]
    pairs = [pair(0, 2), pair(0, 1), pair(2, 4)]
    assert contending(home, species, pairs) == {1: {1, 2}, 2: {1, 2}}
    assert claims_of([("b", {"mouse"}), ("c", {"shrew"}), ("a", {"shrew"})]).label == "a"


def test_a_person_gives_both_groups_to_one_species():
    both = ("b", {"mouse"}), ("c", {"shrew"}), ("a", {"shrew"})
    assert owner(*both, kept=[("b", "mouse")]) == "mouse"
    assert owner(*both, kept=[("b", "mouse"), ("a", "shrew")]) is None


def test_a_conflict_lists_what_speaks_for_each_side():
    rows = [
        row("b", "mouse", rank=7, page_url="https://one.example/b", title="A wood mouse"),
        row("a", "shrew", rank=3, page_url="https://two.example/a"),
        row("c", "shrew", rank=1, page_url="https://three.example/c"),
        row("d", "shrew", reason="near-duplicate: of a"),
    ]
    (conflict,) = conflicts(rows)
    assert conflict.claims == (
        Claim(
            species="mouse",
            digests=("b",),
            pages=("https://one.example/b",),
            hosts=("one.example",),
            best_rank=7,
            titles=("A wood mouse",),
        ),
        Claim(
            species="shrew",
            digests=("a", "c"),
            pages=("https://three.example/c", "https://two.example/a"),
            hosts=("three.example", "two.example"),
            best_rank=1,
            titles=(),
        ),
    )
