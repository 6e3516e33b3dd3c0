"""The founding study's split: scikit-learn's `train_test_split` with `stratify`.

It knows no validation set, and moves most images when one is added; it is here so that the
study's 468 and 83 of 551 images can be had again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version

from curation.digests import ByDigest
from curation.errors import SplitError
from curation.recipe import CurationRecipe, Split
from curation.split import images, whole_groups
from curation.tickets import Ticket, Tickets


def study_split(tickets: Iterable[Ticket], recipe: CurationRecipe) -> Mapping[str, Split]:
    """Give every digest train or test, as scikit-learn deals them with the recipe's seed.

    Images are handed over by species and digest. A group goes where its first image goes.

    Raises:
        SplitError: scikit-learn cannot split so few images; it says why.
    """
    from sklearn.model_selection import train_test_split

    tickets = Tickets.of(tickets)
    groups = whole_groups(tickets)
    labels = [species for species, _ in groups]
    share = recipe.splits[2]
    size = share if recipe.split_unit == "share" else int(share)
    try:
        train, test = train_test_split(
            range(len(groups)), test_size=size, stratify=labels, random_state=recipe.seed
        )
    except ValueError as error:
        raise SplitError(
            f"--split-by study cannot split {len(groups)} images of"
            f" {len(images(tickets))} species ({error}): gather more with `bestiary scrape`, or"
            " leave --split-by out"
        ) from error
    home = ByDigest[Split](tickets.digests)
    is_test = set(test)
    for number in (*train, *test):
        for digest in groups[number][1]:
            home[digest] = "test" if number in is_test else "train"
    return home


def split_libraries(recipe: CurationRecipe) -> dict[str, str]:
    """The version of what dealt the images, where that is not Bestiary itself."""
    return {"scikit-learn": version("scikit-learn")} if recipe.split_by == "study" else {}
