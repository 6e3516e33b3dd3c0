"""The founding study's split, from its class counts."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from sklearn.model_selection import train_test_split

from curation.errors import SplitError
from curation.recipe import STUDY_SPLITS, CurationRecipe
from curation.study_split import study_split
from curation.tickets import Ticket
from tests.curation.making import digest_of

COUNTS = {
    "hamster": (97, 17),
    "mouse": (111, 20),
    "rabbit": (85, 15),
    "shrew": (89, 16),
    "squirrel": (86, 15),
}
ROWS = [
    Ticket(digest=digest, species=species)
    for species, counts in COUNTS.items()
    for digest in sorted(digest_of(f"{species} {number}") for number in range(sum(counts)))
]
RECIPE = CurationRecipe(split_by="study", splits=STUDY_SPLITS)


def test_551_images_are_468_and_83_with_the_studys_counts_in_every_class():
    home = study_split(ROWS, RECIPE)
    assert Counter(home.values()) == {"train": 468, "test": 83}
    counts = Counter((ticket.species, home[ticket.digest]) for ticket in ROWS)
    for species, (train, test) in COUNTS.items():
        assert (counts[species, "train"], counts[species, "test"]) == (train, test)


@pytest.mark.parametrize("seed", [0, 7])
def test_it_is_scikit_learns_own_draw_in_any_order_of_the_images(seed):
    digests, labels = [t.digest for t in ROWS], [t.species for t in ROWS]
    _, test = train_test_split(digests, test_size=83, stratify=labels, random_state=seed)
    recipe = CurationRecipe(split_by="study", splits=(468, 0, 83), split_unit="images", seed=seed)
    home = study_split(reversed(ROWS), recipe)
    assert {digest for digest, split in home.items() if split == "test"} == set(test)


def test_look_alikes_stay_together_here_too():
    rows = [*ROWS, Ticket(digest=digest_of("x"), species="shrew", group="g")]
    rows += [Ticket(digest=digest_of(f"y{n}"), species="shrew", group="g") for n in range(30)]
    home = study_split(rows, RECIPE)
    assert len({home[t.digest] for t in rows if t.group}) == 1


def test_a_species_too_small_for_it_is_an_error_in_words():
    with pytest.raises(SplitError, match="gather more"):
        study_split([*ROWS, Ticket(digest=digest_of("z"), species="vole")], RECIPE)


def test_who_does_not_ask_for_it_does_not_import_scikit_learn():
    code = "import curation.curate, sys; sys.exit('sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
