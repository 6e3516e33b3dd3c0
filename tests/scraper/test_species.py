from __future__ import annotations

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.errors import UsageError
from scraper.species import in_species_file, species_name, species_names


def test_names_are_stored_in_one_way() -> None:
    assert species_name("  Sorex \t araneus ") == "Sorex araneus"
    assert species_name("e\u0301cureuil") == "écureuil"


@pytest.mark.parametrize(
    "name", ["", "  ", "a/b", "a\\b", "..", ".git", "a.", "a:b", "a\0b", "x" * 201]
)
def test_what_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        species_name(name)


@given(st.text())
def test_every_accepted_name_is_one_path_part(text: str) -> None:
    try:
        name = species_name(text)
    except UsageError:
        return
    assert PurePath("a", name).parts == ("a", name)
    assert species_name(name) == name


def test_names_are_taken_once() -> None:
    assert species_names(["mouse", "rat", " mouse"]) == ("mouse", "rat")


def test_names_that_differ_in_case_alone_are_refused() -> None:
    with pytest.raises(UsageError, match="'mouse' and 'Mouse' would be one folder"):
        species_names(["mouse", "Mouse"])


def test_a_species_file_has_a_name_a_line_and_comments() -> None:
    assert in_species_file("# mine\nmouse\n\n  rat # not the fancy one\n") == ["mouse", "rat"]
