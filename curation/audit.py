"""The audit: what a manifest says about balance, sizes, origins and losses. Pure statistics."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import numpy as np

from curation import reasons
from curation.dataset import REPORT, Dataset, Row, counts
from curation.flags import traits, words
from curation.spool import where
from curation.suspicion import suspects

_MOST_HOSTS = 20
_MOST_SUSPECTS = 50
NOT_STATED = "not stated"
"""Where a source names no licence or host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a measure is distributed: extremes and quartiles."""

    minimum: float
    lower: float
    median: float
    upper: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """The spread of some values; None of none."""
        if not values:
            return None
        cuts = np.percentile(values, [0, 25, 50, 75, 100])
        return cls(**dict(zip(cls.__slots__, (round(float(cut), 4) for cut in cuts), strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How evenly the images of some species are spread; both None where there are none."""

    imbalance_ratio: float | None
    """Images of the most frequent species for one of the rarest; 1 is balance."""
    effective_classes: float | None
    """How many equally frequent species would be as diverse: exp(-Σ p ln p)."""
    absent: int
    """Species that have no image there, and of which the ratio tells nothing."""

    @classmethod
    def of(cls, images: Mapping[str, int]) -> Balance:
        """The balance of images by species; those without any are counted alone."""
        some = [count for count in images.values() if count]
        absent = len(images) - len(some)
        if not some:
            return cls(imbalance_ratio=None, effective_classes=None, absent=absent)
        shares = [count / sum(some) for count in some]
        return cls(
            imbalance_ratio=round(max(some) / min(some), 4),
            effective_classes=round(math.exp(-sum(share * math.log(share) for share in shares)), 4),
            absent=absent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeciesAudit:
    """What became of the images of one species."""

    gathered: int
    kept: int
    share: float
    """Of all that was kept."""
    missing: int
    """How many more images it needs to reach the target."""
    hosts: int
    """From so many sites the kept ones come …"""
    largest_host: float | None
    """… and this part of them from one: near 1, the species is one site's view of it."""
    width: Spread | None
    """Of the kept originals, in pixels, upright."""
    height: Spread | None
    dropped: dict[str, int]
    """By the fixed word of the reason, most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlikes:
    """What the search for look-alikes found, in groups."""

    groups: int
    copies: int
    """Images dropped because a better one of the same picture was kept."""
    conflicts: int
    """Groups that more than one species claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Of what kind the kept images are, and where they come from; the most frequent first."""

    formats: dict[str, int]
    sources: dict[str, int]
    hosts: dict[str, int]
    """Sites; of many, the largest."""
    other_hosts: int
    """Images from sites that are not listed."""
    licences: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The figures of one dataset."""

    gathered: int
    kept: int
    splits: dict[str, dict[str, int]]
    """Kept images by split and species."""
    species: dict[str, SpeciesAudit]
    """Every species that was gathered, also one of which nothing was kept."""
    target: int
    """Images that each species should have; the most frequent one's, unless a person says."""
    width: Spread | None
    height: Spread | None
    origins: Origins
    look_alikes: LookAlikes
    dropped: dict[str, int]
    flags: dict[str, int]
    """Kept images with each flag, the most frequent first."""
    traits: tuple[str, ...]
    """Flags on so many images that they are the dataset's nature and no fault of each."""
    suspects: Sequence[Row]
    """Kept images that a person should look at, the most suspicious first."""

    @property
    def total(self) -> dict[str, int]:
        """Kept images by species, of those that have any."""
        return {name: one.kept for name, one in self.species.items() if one.kept}

    @property
    def balance(self) -> dict[str, Balance]:
        """The balance of each split, and of everything."""
        tables = {**self.splits, "total": self.total}
        return {name: Balance.of(table) for name, table in tables.items()}

    @property
    def imbalance_ratio(self) -> float | None:
        """Of everything: see `Balance`."""
        return Balance.of(self.total).imbalance_ratio

    @property
    def effective_classes(self) -> float | None:
        """Of everything: see `Balance`."""
        return Balance.of(self.total).effective_classes

    @property
    def missing(self) -> dict[str, int]:
        """How many more images each species needs to reach the target, of those that do."""
        return {name: one.missing for name, one in self.species.items() if one.missing}

    def shares(self) -> dict[str, dict[str, float]]:
        """What part of each split, and of everything, each species is."""
        tables = {**self.splits, "total": self.total}
        return {
            name: {
                species: round(count / max(1, sum(table.values())), 4)
                for species, count in table.items()
            }
            for name, table in tables.items()
        }

    def document(self) -> dict[str, object]:
        """The figures for scripts."""
        return {
            "gathered": self.gathered,
            "images": self.kept,
            "splits": self.splits,
            "total": self.total,
            "shares": self.shares(),
            "species": {name: asdict(one) for name, one in self.species.items()},
            "imbalance_ratio": self.imbalance_ratio,
            "effective_classes": self.effective_classes,
            "balance": {name: asdict(one) for name, one in self.balance.items()},
            "target": self.target,
            "missing": self.missing,
            "sizes": {
                "width": asdict(self.width) if self.width else None,
                "height": asdict(self.height) if self.height else None,
            },
            **asdict(self.origins),
            "look_alikes": asdict(self.look_alikes),
            "dropped": self.dropped,
            "dropped_by_species": {
                name: one.dropped for name, one in self.species.items() if one.dropped
            },
            "flags": self.flags,
            "traits": list(self.traits),
            "suspects": [_suspect(row) for row in self.suspects[:_MOST_SUSPECTS]],
        }


def _suspect(row: Row) -> dict[str, object]:
    return {
        "digest": row.digest,
        "species": row.species,
        "suspicion": row.suspicion,
        "reasons": row.suspicion_reasons,
        "file": row.file,
    }


def audit(rows: Sequence[Row], *, target: int | None = None) -> Audit:
    """Count what a manifest holds; each species should have `target` images."""
    every, species = _Tally(), defaultdict[str, _Tally](_Tally)
    for row in rows:
        every.add(row)
        species[row.species].add(row)
    target = target or max((one.kept for one in species.values()), default=0)
    return Audit(
        gathered=every.gathered,
        kept=every.kept,
        splits=counts(rows),
        species={
            name: species[name].as_species(all_kept=every.kept, target=target)
            for name in sorted(species)
        },
        target=target,
        width=Spread.of(every.widths),
        height=Spread.of(every.heights),
        origins=every.origins,
        look_alikes=_look_alikes(rows),
        dropped=_ordered(every.dropped),
        flags=_ordered(every.flags),
        traits=traits(rows),
        suspects=suspects(where(rows, lambda row: row.kept)),
    )


class _Tally:
    """What is counted of rows as they go by."""

    def __init__(self) -> None:
        self.gathered = self.kept = 0
        self.widths, self.heights = array("q"), array("q")
        self.dropped, self.flags = Counter[str](), Counter[str]()
        self._formats, self._sources = Counter[str](), Counter[str]()
        self._hosts, self._licences = Counter[str](), Counter[str]()

    def add(self, row: Row) -> None:
        """Count a row."""
        self.gathered += 1
        if not row.kept:
            self.dropped[reasons.word(row.reason)] += 1
            return
        self.kept += 1
        if row.width is not None:
            self.widths.append(row.width)
        if row.height is not None:
            self.heights.append(row.height)
        self.flags.update(words(row))
        self._formats[row.format] += 1
        self._sources[row.source] += 1
        self._hosts[host_of(row)] += 1
        self._licences[row.licence or NOT_STATED] += 1

    @property
    def origins(self) -> Origins:
        """Of what kind the kept ones are, and where they come from."""
        hosts = _ordered(self._hosts)
        listed = dict(list(hosts.items())[:_MOST_HOSTS])
        return Origins(
            formats=_ordered(self._formats),
            sources=_ordered(self._sources),
            hosts=listed,
            other_hosts=sum(hosts.values()) - sum(listed.values()),
            licences=_ordered(self._licences),
        )

    def as_species(self, *, all_kept: int, target: int) -> SpeciesAudit:
        """The figures of the one species that all rows were of."""
        hosts = {host: count for host, count in self._hosts.items() if host != NOT_STATED}
        return SpeciesAudit(
            gathered=self.gathered,
            kept=self.kept,
            share=round(self.kept / max(1, all_kept), 4),
            missing=max(0, target - self.kept),
            hosts=len(hosts),
            largest_host=round(max(hosts.values()) / self.kept, 4) if hosts else None,
            width=Spread.of(self.widths),
            height=Spread.of(self.heights),
            dropped=_ordered(self.dropped),
        )


def document_of(dataset: Dataset, figures: Audit) -> dict[str, object]:
    """The figures of a dataset, and where it lies, for scripts."""
    return {
        "dataset": str(dataset.root),
        **figures.document(),
        "refused": dict(dataset.refused),
        "report": str(dataset.root / REPORT),
        "lock_digest": dataset.lock_digest,
    }


def host_of(row: Row) -> str:
    """The site on which an image was found; its own where no page is known."""
    for address in (row.page_url, row.image_url):
        try:
            host = urlsplit(address).hostname
        except ValueError:  # No address at all, whatever it was.
            continue
        if host:
            return host.removeprefix("www.")
    return NOT_STATED


def _look_alikes(rows: Iterable[Row]) -> LookAlikes:
    groups, conflicts, copies = set(), set(), 0
    for row in rows:
        if row.group:
            word = reasons.word(row.reason)
            groups.add(row.group)
            copies += word in (reasons.DUPLICATE, reasons.NEAR_DUPLICATE)
            if word == reasons.CONFLICT:
                conflicts.add(row.group)
    return LookAlikes(groups=len(groups), copies=copies, conflicts=len(conflicts))


def _ordered(found: Counter[str]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def dropped_by_word(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows were dropped for each reason's fixed word, most frequent first."""
    return _ordered(Counter(reasons.word(row.reason) for row in rows if not row.kept))
