from __future__ import annotations

import pytest

from scraper.crawl import Searched, Searching
from scraper.progress import search_line, searching_line


@pytest.mark.parametrize(
    ("query", "found", "kept", "line"),
    [
        ("shrew", 0, 0, "Searching for shrew: 0 candidates so far"),
        ("shrew", 1, 0, "Searching for shrew: 1 candidate so far"),
        ("shrew", 40, 1, "Searching for shrew: 40 candidates so far, 1 image kept"),
        ("Sorex", 40, 9, "Searching for shrew, 'Sorex': 40 candidates so far, 9 images kept"),
    ],
)
def test_a_search_says_how_far_it_is(query: str, found: int, kept: int, line: str) -> None:
    search = Searching(species="shrew", query=query, found=found)

    assert searching_line(search, kept=kept) == line


def searched(*, new: int, query: str = "shrew", is_repeated: bool = False) -> Searched:
    return Searched(
        species="shrew",
        query=query,
        found=21,
        new=new,
        because="the end of the results",
        is_repeated=is_repeated,
    )


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (searched(new=21), "shrew: 21 candidates (the end of the results)"),
        (searched(new=3), "shrew: 21 candidates, 3 of them new (the end of the results)"),
        (
            searched(new=3, query="Sorex"),
            "shrew: 'Sorex': 21 candidates, 3 of them new (the end of the results)",
        ),
        (
            searched(new=0, is_repeated=True),
            "shrew: searched deeper: nothing more (the end of the results)",
        ),
        (
            searched(new=2, query="Sorex", is_repeated=True),
            "shrew: searched deeper for 'Sorex': 2 more candidates (the end of the results)",
        ),
    ],
)
def test_a_search_says_what_it_brought(outcome: Searched, line: str) -> None:
    assert search_line(outcome, is_local=False) == line


def test_a_list_is_no_search() -> None:
    outcome = searched(new=0, query="mouse.csv", is_repeated=True)

    assert search_line(outcome, is_local=True).startswith("shrew: 21 candidates, 0 of them new")
