from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.homonyms import HOMONYMS, warnings_about
from scraper.queries import Query, queries_of
from scraper.species import FILTERS, Filters, Species


def words(species: Species) -> list[str]:
    return [query.words for query in queries_of(species)]


def test_a_plain_name_is_asked_as_it_is() -> None:
    assert queries_of(Species(name="mouse")) == (Query(species="mouse", words="mouse"),)


def test_the_scientific_name_leads_and_each_language_has_its_turn() -> None:
    shrew = Species(
        name="shrew",
        scientific_name="Sorex araneus",
        names={"en": ("common shrew", "Eurasian shrew"), "de": ("Waldspitzmaus",)},
        synonyms=("Sorex vulgaris",),
        words=("wild",),
    )

    assert words(shrew)[:5] == [
        "Sorex araneus",
        "common shrew",
        "Waldspitzmaus wild",
        "Eurasian shrew",
        "Sorex vulgaris",
    ]
    assert words(shrew)[5:] == [
        "Sorex araneus wild",
        "common shrew wild",
        "Eurasian shrew wild",
        "Sorex vulgaris wild",
    ]


def test_a_name_that_means_too_much_is_not_asked_alone() -> None:
    cat = Species(name="cat", scientific_name="Puma concolor", names={"en": ("puma", "catamount")})

    assert words(cat) == ["Puma concolor", "catamount"]
    assert words(Species(name="puma", words=("animal",))) == ["puma animal"]


def test_excluded_words_are_taken_off_every_query() -> None:
    mouse = Species(name="mouse", words=("wild", "field"), exclude=("toy", "stuffed animal"))

    assert words(mouse) == [
        'mouse wild -toy -"stuffed animal"',
        'mouse field -toy -"stuffed animal"',
    ]


def test_filters_are_written_as_the_site_reads_them() -> None:
    filters = Filters(
        size="over-2mp", type="photo", licence="creative-commons", age="year", aspect="wide"
    )

    (query,) = queries_of(Species(name="mouse", filters=filters))

    assert query.tbs == "isz:lt,islt:2mp,itp:photo,il:cl,qdr:y,iar:w"
    assert query.key == f"mouse [{query.tbs}]"
    assert Filters().tbs == ""


@pytest.mark.parametrize("name", FILTERS)
def test_filters_that_nobody_knows_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} can be .*, not 'huge-ish'"):
        Filters(**{name: "huge-ish"})


names = st.text("abcAB é-", min_size=1).filter(str.strip)


@given(
    scientific=st.one_of(st.just(""), names),
    common=st.dictionaries(st.sampled_from(["en", "de", "es"]), st.lists(names, max_size=3)),
    synonyms=st.lists(names, max_size=2),
    extra=st.lists(names, max_size=3),
    exclude=st.lists(names, max_size=2),
)
def test_every_species_has_queries_and_none_twice(
    scientific: str,
    common: dict[str, list[str]],
    synonyms: list[str],
    extra: list[str],
    exclude: list[str],
) -> None:
    species = Species(
        name="class 1",
        scientific_name=scientific.strip(),
        names={code: tuple(found) for code, found in common.items()},
        synonyms=tuple(synonyms),
        words=tuple(extra),
        exclude=tuple(exclude),
    )

    found = words(species)

    assert found
    assert len({one.casefold() for one in found}) == len(found)
    assert all(one == " ".join(one.split()) or exclude for one in found)


# --- homonyms --------------------------------------------------------------------------


def test_a_name_with_another_meaning_is_warned_of_with_that_meaning() -> None:
    (warning,) = warnings_about([Species(name="jaguar")])

    assert warning.startswith("jaguar: a search for 'jaguar' also brings cars")


def test_common_names_of_one_word_are_warned_of_together() -> None:
    (warning,) = warnings_about([Species(name="hamster"), Species(name="rabbit")])

    assert warning.startswith("hamster, rabbit: one common word may mean other things too")


@pytest.mark.parametrize(
    "species",
    [
        Species(name="wood mouse"),
        Species(name="jaguar", scientific_name="Panthera onca"),
        Species(name="jaguar", words=("animal",)),
        Species(name="class 7", names={"en": ("harvest mouse",)}),
    ],
)
def test_names_that_say_enough_are_not_warned_of(species: Species) -> None:
    assert list(warnings_about([species])) == []


def test_homonyms_are_listed_in_order_and_in_lower_case() -> None:
    assert list(HOMONYMS) == sorted(name.lower() for name in HOMONYMS)
