from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.errors import UsageError
from scraper.species import AGES, TYPES, Filters, Species
from scraper.species_file import add_species, chosen, read_species, table_of

WHOLE = """\
# our project
[shrew]
scientific_name = "Sorex araneus"
names.en = ["common shrew"]
names.de = "Waldspitzmaus"
synonyms = ["Sorex vulgaris"]
words = ["wild"]
exclude = ["toy", "drawing"]
filters = { type = "photo", licence = "creative-commons" }
wanted = 200

["house mouse"]
"""
SHREW = Species(
    name="shrew",
    scientific_name="Sorex araneus",
    names={"en": ("common shrew",), "de": ("Waldspitzmaus",)},
    synonyms=("Sorex vulgaris",),
    words=("wild",),
    exclude=("toy", "drawing"),
    filters=Filters(type="photo", licence="creative-commons"),
    wanted=200,
)


def write(folder: Path, text: str, name: str = "species.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_that_is_known_of_a_species_is_read(tmp_path: Path) -> None:
    assert read_species(write(tmp_path, WHOLE)) == (SHREW, Species(name="house mouse"))


def test_a_text_file_has_one_name_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, "# ours\nrat\nhouse  mouse # the grey one\n", "ours.txt")

    assert read_species(path) == (Species(name="rat"), Species(name="house mouse"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "is not valid TOML"),
        ("", "has no species: write a [name] for each"),
        ("a = 1", "[a] must be a table"),
        ("[a]\ncolour = 1", "[a] has 'colour', which is no key: use scientific_name, names"),
        ("[a]\nscientific_name = 1", "[a]: scientific_name must be text in quotes, not 1"),
        ("[a]\nnames = ['x']", "[a]: names must be by language, like names.en"),
        ("[a]\nnames.en = 1", "[a]: names.en must be a list"),
        ("[a]\nwords = ['']", "[a]: words has '', which cannot be searched for"),
        ("[a]\nexclude = ['\"']", "[a]: exclude has '\"', which cannot be searched for"),
        ("[a]\nwanted = 0", "[a]: wanted must be at least 1, not 0"),
        ("[a]\nwanted = true", "[a]: wanted must be a whole number, not True"),
        ("[a]\nfilters = 'photo'", "[a]: filters must be like { type = "),
        ("[a]\nfilters = {kind = 'x'}", "[a]: filters has 'kind', which is no filter: use size"),
        ("[a]\nfilters = {type = 'foto'}", "[a]: filters.type can be photo, face,"),
        ("['a/b']", "the species 'a/b' cannot be a folder's name"),
        ("[a]\n[A]", "would be one folder on some systems"),
        ('["a  b"]', "[\"a  b\"]: name must be written 'a b'"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_species(write(tmp_path, text))

    assert message in str(refused.value)
    assert "species.toml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "species.toml").write_bytes(b"\xff\xfe\xff")

    with pytest.raises(UsageError, match="cannot read the species file"):
        read_species(tmp_path / "species.toml")


def test_names_are_looked_up_whatever_their_case() -> None:
    assert chosen(["Shrew", "rat"], [SHREW]) == (SHREW, Species(name="rat"))


def test_the_example_in_the_readme_is_read(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    example = readme.partition("```toml\n")[2].partition("```")[0]

    (shrew,) = read_species(write(tmp_path, example))

    assert (shrew.name, shrew.wanted) == ("shrew", 200)


def test_a_species_is_added_below_what_is_there(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE.rstrip("\n"))

    add_species(path, Species(name="Mus musculus", scientific_name="Mus musculus"))

    assert path.read_text(encoding="utf-8").startswith(WHOLE + "\n[")
    assert [one.name for one in read_species(path)] == ["shrew", "house mouse", "Mus musculus"]
    assert [one.name for one in tmp_path.iterdir()] == ["species.toml"]


def test_a_species_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)

    with pytest.raises(UsageError, match=r"has \[Shrew\] already: edit it there"):
        add_species(path, Species(name="Shrew"))
    assert path.read_text(encoding="utf-8") == WHOLE


def test_a_file_with_faults_is_not_added_to(tmp_path: Path) -> None:
    path = write(tmp_path, "[a]\nwanted = 0\n")

    with pytest.raises(UsageError, match="wanted must be at least 1"):
        add_species(path, Species(name="b"))


words = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"'), min_size=1),
    max_size=3,
).map(tuple)


@given(
    name=st.text(st.sampled_from("abcéß-_ 1."), min_size=1).filter(
        lambda text: text == " ".join(text.split()) and text.strip(".") == text
    ),
    scientific_name=st.text(st.characters(exclude_categories=["C", "Z"])),
    names=st.dictionaries(st.text("abc-", min_size=1), words, max_size=3),
    synonyms=words,
    extra=words,
    exclude=words,
    filters=st.builds(
        Filters, type=st.sampled_from(["", *TYPES]), age=st.sampled_from(["", *AGES])
    ),
    wanted=st.one_of(st.none(), st.integers(1, 999)),
)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, extra: tuple[str, ...], **values: object
) -> None:
    species = Species(words=extra, **values)  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("toml") / "species.toml"

    add_species(path, species)

    assert read_species(path) == (species,)
    assert len(tomllib.loads(table_of(species))) == 1
