"""Who claims a picture, and what a conflict shows of each side."""

from __future__ import annotations

from curation.claims import Claim, claims_of, conflicts
from curation.dataset import Row

SPECIES = {"a": {"shrew"}, "b": {"mouse"}, "c": {"shrew"}, "d": {"vole"}}


def row(digest, species, reason="conflict: also under another", **values):
    return Row(digest=digest, species=species, group="a", reason=reason, **values)


def test_a_group_of_one_species_has_an_owner_and_one_of_two_has_none():
    claims = claims_of([["a", "c"], ["d"]], SPECIES, [("a", "c", 0.9)])
    assert claims["a"].owner == "shrew"
    assert claims["d"].owner == "vole"
    assert claims_of([["a", "b"]], SPECIES, [("a", "b", 0.9)])["a"].owner is None


def test_look_alikes_in_two_groups_contend_under_one_name():
    claims = claims_of([["b"], ["c", "a"]], SPECIES, [("c", "a", 0.9), ("a", "b", 0.88)])
    assert [one.species for one in claims.values()] == [{"mouse", "shrew"}] * 2
    assert {one.label for one in claims.values()} == {"a"}


def test_a_person_gives_both_groups_to_one_species():
    pairs = [("c", "a", 0.9), ("a", "b", 0.88)]
    claims = claims_of([["b"], ["c", "a"]], SPECIES, pairs, kept={("b", "mouse")})
    assert [one.owner for one in claims.values()] == ["mouse", "mouse"]
    both = {("b", "mouse"), ("a", "shrew")}
    assert claims_of([["b"], ["c", "a"]], SPECIES, pairs, kept=both)["b"].owner is None


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
