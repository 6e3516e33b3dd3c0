"""Names that mean something else, too, and what a search brings instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from scraper.species import Species

HOMONYMS: Final[Mapping[str, str]] = {
    "barracuda": "cars and submarines",
    "bat": "baseball bats and a film hero",
    "beetle": "cars",
    "bronco": "cars and a football team",
    "buck": "knives and banknotes",
    "cardinal": "clergymen and a baseball team",
    "caterpillar": "diggers",
    "cobra": "cars and helicopters",
    "cougar": "cars and people",
    "coyote": "a cartoon",
    "crane": "building cranes",
    "dolphin": "a football team and an emulator",
    "duck": "a cartoon and rubber ducks",
    "eagle": "a football team and emblems",
    "falcon": "aeroplanes, rockets and a football team",
    "fox": "a broadcaster",
    "impala": "cars",
    "jaguar": "cars and a football team",
    "kiwi": "fruit",
    "lynx": "browsers and helicopters",
    "mole": "moles on skin, and a sauce",
    "monarch": "kings and queens",
    "mouse": "computer mice and a cartoon",
    "mustang": "cars and aeroplanes",
    "panda": "cars and antivirus software",
    "panther": "a film hero, a football team and tanks",
    "penguin": "a publisher, an ice hockey team and Linux",
    "puma": "shoes and helicopters",
    "python": "the programming language",
    "ram": "cars and memory",
    "raven": "a football team",
    "robin": "a film hero",
    "seal": "stamps, gaskets and a singer",
    "shrew": "a play",
    "swallow": "swallowing",
    "swift": "a singer and the programming language",
    "tiger": "tanks and a golf player",
    "turkey": "the country and roasts",
    "viper": "cars",
}
"""English common names with the things that they collide with."""


def warnings_about(all_species: Iterable[Species]) -> Iterator[str]:
    """Say which names are likely to bring something else, and what to do.

    A single common name of one word is warned of even where nothing is known against it.
    """
    vague = []
    for species in all_species:
        if species.scientific_name or species.words or species.synonyms:
            continue
        names = species.common_names or (species.name,)
        known = [name for name in names if name.casefold() in HOMONYMS]
        if known:
            yield (
                f"{species.name}: a search for {known[0]!r} also brings"
                f" {HOMONYMS[known[0].casefold()]}; {_CURE}"
            )
        elif all(" " not in name for name in names):
            vague.append(species.name)
    if vague:
        yield f"{', '.join(vague)}: one common word may mean other things too; {_CURE}"


_CURE: Final = "give a scientific name or more words in species.toml"
