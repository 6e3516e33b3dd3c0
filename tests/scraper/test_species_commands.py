from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from scraper.errors import ScraperError, UsageError
from scraper.species import Filters, Species
from scraper.species_commands import species
from scraper.species_file import read_species
from tests.fakes import ImageServer, Reply

SHREW = {
    "id": 46292,
    "name": "Sorex araneus",
    "rank": "species",
    "preferred_common_name": "Common Shrew",
    "names": [
        {"name": "Sorex araneus", "locale": "sci", "is_valid": True, "position": 0},
        {"name": "Eurasian Shrew", "locale": "en", "is_valid": True, "position": 3},
        {"name": "Common Shrew", "locale": "en", "is_valid": True, "position": 1},
        {"name": "Waldspitzmaus", "locale": "de", "is_valid": True, "position": 0},
        {"name": "Erzspitzmaus", "locale": "de", "is_valid": False, "position": 0},
        {"name": "Musaraña, común", "locale": "es", "is_valid": True, "position": 0},
    ],
}
MATCH = {
    "usageKey": 2435949,
    "canonicalName": "Sorex araneus",
    "rank": "SPECIES",
    "status": "ACCEPTED",
    "matchType": "EXACT",
    "synonym": False,
}
VERNACULARS = [
    {"vernacularName": "musaraña bicolor", "language": "spa"},
    {"vernacularName": "Musaraña Colicuadrada", "language": "spa"},
    {"vernacularName": "musaraña colicuadrada", "language": "spa"},
    {"vernacularName": "common shrew", "language": "eng"},
    {"vernacularName": "Musaraigne carrelet", "language": "fra"},
    {"vernacularName": "Shrew", "language": ""},
]
SYNONYMS = [
    {"canonicalName": "Sorex vulgaris", "rank": "SPECIES"},
    {"canonicalName": "Sorex araneus alticola", "rank": "SUBSPECIES"},
    {"canonicalName": "Sorex araneus", "rank": "SPECIES"},
]


class Registers(ImageServer):
    """A server that answers like the two registers of names."""

    def say(self, path: str, answer: object, **parameters: object) -> None:
        body = json.dumps(answer).encode()
        full = f"{path}?{urlencode(parameters)}" if parameters else path
        self.script[full] = [Reply(body=body, headers={"Content-Type": "application/json"})]

    def of_inaturalist(self, name: str, *taxa: Mapping[str, object]) -> None:
        found = {"total_results": len(taxa), "results": taxa}
        self.say("/v1/taxa", found, q=name, all_names="true", per_page=10)

    def of_gbif(self, name: str, match: Mapping[str, object]) -> None:
        self.say("/v1/species/match", match, name=name)
        key = match.get("acceptedUsageKey", match.get("usageKey"))
        self.say(f"/v1/species/{key}/synonyms", {"results": SYNONYMS}, limit=100)
        self.say(f"/v1/species/{key}/vernacularNames", {"results": VERNACULARS}, limit=1000)


@pytest.fixture
def registers() -> Iterator[Registers]:
    with Registers() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "species.toml"


def run(*words: object) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(species, [str(word) for word in words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    found, text = result.return_value
    assert json.loads(json.dumps(found)) == found
    return dict(found), str(text)


def add(registers: Registers, file: Path, *words: object) -> tuple[dict[str, Any], str]:
    return run("add", *words, "--species-file", file, "--base-url", registers.url(""))


def test_a_species_is_filled_from_both_registers(registers: Registers, file: Path) -> None:
    registers.of_inaturalist("Sorex araneus", {"name": "Sorex"}, SHREW)
    registers.of_gbif("Sorex araneus", MATCH)

    document, text = add(registers, file, "Sorex araneus", "--as", "shrew", "--wanted", 50)

    assert read_species(file) == (
        Species(
            name="shrew",
            scientific_name="Sorex araneus",
            names={
                "en": ("Common Shrew", "Eurasian Shrew"),
                "de": ("Waldspitzmaus",),
                "es": ("Musaraña Colicuadrada", "musaraña bicolor"),
            },
            synonyms=("Sorex vulgaris",),
            filters=Filters(type="photo"),
            wanted=50,
        ),
    )
    assert document["notes"] == []
    assert document["queries"][0] == "Sorex araneus"
    assert "[shrew]" in text
    assert registers.hits[0].headers["user-agent"].startswith("bestiary/")
    assert len(registers.hits) == 4


def test_a_former_name_leads_to_the_accepted_one(registers: Registers, file: Path) -> None:
    former = {
        "usageKey": 7,
        "acceptedUsageKey": 2435949,
        "canonicalName": "Sorex vulgaris",
        "matchType": "EXACT",
        "synonym": True,
    }
    registers.of_inaturalist("Sorex vulgaris")
    registers.of_gbif("Sorex vulgaris", former)
    registers.say("/v1/species/2435949", MATCH)

    document, _ = add(registers, file, "Sorex vulgaris")

    (found,) = read_species(file)
    assert (found.name, found.scientific_name) == ("Sorex vulgaris", "Sorex araneus")
    assert found.synonyms == ("Sorex vulgaris",)
    assert "the accepted name of Sorex vulgaris is Sorex araneus" in document["notes"]


def test_a_common_name_is_found_too(registers: Registers, file: Path) -> None:
    registers.of_inaturalist("waldspitzmaus", SHREW)
    registers.of_gbif("waldspitzmaus", {"matchType": "NONE"})
    registers.of_gbif("Sorex araneus", MATCH)

    add(registers, file, "waldspitzmaus", "--lang", "de,fr,xx")

    (found,) = read_species(file)
    assert (found.name, found.scientific_name) == ("waldspitzmaus", "Sorex araneus")
    assert found.names == {"de": ("Waldspitzmaus",), "fr": ("Musaraigne carrelet",)}


def test_one_register_is_enough_and_the_silent_one_is_named(
    registers: Registers, file: Path
) -> None:
    registers.of_gbif("Sorex araneus", MATCH)

    document, text = add(registers, file, "Sorex araneus", "--lang", "en,xx")

    assert document["notes"] == [
        "iNaturalist answered HTTP 404",
        "no common name in 'xx' is known",
    ]
    assert "Note: iNaturalist answered" in text
    assert read_species(file)[0].names == {"en": ("common shrew",)}


@pytest.mark.parametrize("answer", [[], {"results": 3}, "shrew", None])
def test_answers_that_are_not_understood_are_no_answers(
    registers: Registers, file: Path, answer: object
) -> None:
    registers.say("/v1/species/match", answer, name="Sorex araneus")
    registers.of_inaturalist("Sorex araneus", SHREW)

    add(registers, file, "Sorex araneus")

    assert read_species(file)[0].scientific_name == "Sorex araneus"


def test_a_misspelt_name_is_answered_with_the_right_one(registers: Registers, file: Path) -> None:
    registers.of_inaturalist("Sorex araneuss")
    registers.of_gbif("Sorex araneuss", {**MATCH, "matchType": "FUZZY"})

    with pytest.raises(ScraperError, match="knows no 'Sorex araneuss', but 'Sorex araneus': type"):
        add(registers, file, "Sorex araneuss")
    assert not file.exists()


def test_a_name_that_nobody_knows_is_said(registers: Registers, file: Path) -> None:
    registers.of_inaturalist("Snark")
    registers.of_gbif("Snark", {"matchType": "NONE"})

    with pytest.raises(ScraperError, match="neither GBIF nor iNaturalist knows 'Snark'"):
        add(registers, file, "Snark")


def test_offline_is_said_in_one_sentence_with_what_to_write(file: Path) -> None:
    with Registers() as gone:
        pass

    with pytest.raises(ScraperError) as refused:
        add(gone, file, "Sorex araneus")

    message = str(refused.value)
    assert message.startswith("cannot look up 'Sorex araneus': iNaturalist cannot be reached")
    assert 'write it into species.toml by hand: a line ["Sorex araneus"]' in message
    assert "\n" not in message
    assert not file.exists()


def test_what_is_there_is_kept_and_not_asked_for_again(registers: Registers, file: Path) -> None:
    file.write_text("# mine\n[rat]\nwanted = 3 # few\n", encoding="utf-8")
    registers.of_gbif("Sorex araneus", MATCH)

    add(registers, file, "Sorex araneus")
    asked = len(registers.hits)
    with pytest.raises(UsageError, match="has 'Sorex araneus' already"):
        add(registers, file, "Sorex araneus")

    assert file.read_text(encoding="utf-8").startswith("# mine\n[rat]\nwanted = 3 # few\n\n[")
    assert len(registers.hits) == asked


def test_languages_are_codes(registers: Registers, file: Path) -> None:
    with pytest.raises(UsageError, match="--lang wants codes of two letters"):
        add(registers, file, "Sorex araneus", "--lang", "english")


def test_the_list_shows_queries_and_warnings(file: Path) -> None:
    file.write_text('[jaguar]\n\n[shrew]\nscientific_name = "Sorex araneus"\nwanted = 9\n')

    document, text = run("list", "--species-file", file)

    assert [one["queries"] for one in document["species"]] == [["jaguar"], ["Sorex araneus"]]
    assert "Warning: jaguar: a search for 'jaguar' also brings cars" in text
    assert "shrew   wanted: 9" in text


def test_a_list_of_nothing_says_what_to_do(file: Path) -> None:
    with pytest.raises(UsageError, match=r"no species file at .*bestiary species add"):
        run("list", "--species-file", file)


def test_the_global_flags_may_stand_behind_a_command_of_the_group(file: Path) -> None:
    file.write_text("[wombat]\n")
    words = ["species", "list", "--species-file", str(file), "--json"]

    answer = subprocess.run(
        [sys.executable, "-c", "from bestiary import main; main()", *words],
        capture_output=True,
        check=True,
    )

    assert json.loads(answer.stdout)["species"][0]["queries"] == ["wombat"]
    assert not answer.stderr
