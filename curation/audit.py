"""The audit: what a manifest says about balance, sizes, origins and losses. Pure statistics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import numpy as np

from curation import reasons
from curation.dataset import REPORT, Dataset, Row, counts
from curation.flags import traits, words
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

    @classmethod
    def of(cls, images: Mapping[str, int]) -> Balance:
        """The balance of images by species; species without any do not count."""
        some = [count for count in images.values() if count]
        if not some:
            return cls(imbalance_ratio=None, effective_classes=None)
        shares = [count / sum(some) for count in some]
        return cls(
            imbalance_ratio=round(max(some) / min(some), 4),
            effective_classes=round(math.exp(-sum(share * math.log(share) for share in shares)), 4),
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

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Origins:
        """The origins of kept rows."""
        hosts = _tally(rows, host_of)
        listed = dict(list(hosts.items())[:_MOST_HOSTS])
        return cls(
            formats=_tally(rows, lambda row: row.format),
            sources=_tally(rows, lambda row: row.source),
            hosts=listed,
            other_hosts=sum(hosts.values()) - sum(listed.values()),
            licences=_tally(rows, lambda row: row.licence or NOT_STATED),
        )


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
    suspects: tuple[Row, ...]
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


def audit(rows: Iterable[Row], *, target: int | None = None) -> Audit:
    """Count what a manifest holds; each species should have `target` images."""
    rows = list(rows)
    kept = [row for row in rows if row.kept]
    target = target or max(Counter(row.species for row in kept).values(), default=0)
    by_species: dict[str, list[Row]] = {}
    for row in rows:
        by_species.setdefault(row.species, []).append(row)
    return Audit(
        gathered=len(rows),
        kept=len(kept),
        splits=counts(rows),
        species={
            name: _species(by_species[name], all_kept=len(kept), target=target)
            for name in sorted(by_species)
        },
        target=target,
        width=_spread(kept, "width"),
        height=_spread(kept, "height"),
        origins=Origins.of(kept),
        look_alikes=_look_alikes(rows),
        dropped=dropped_by_word(rows),
        flags=_ordered(Counter(flag for row in kept for flag in words(row))),
        traits=traits(rows),
        suspects=tuple(suspects(kept)),
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


def _species(rows: Sequence[Row], *, all_kept: int, target: int) -> SpeciesAudit:
    kept = [row for row in rows if row.kept]
    hosts = Counter(host for row in kept if (host := host_of(row)) != NOT_STATED)
    return SpeciesAudit(
        gathered=len(rows),
        kept=len(kept),
        share=round(len(kept) / max(1, all_kept), 4),
        missing=max(0, target - len(kept)),
        hosts=len(hosts),
        largest_host=round(max(hosts.values()) / len(kept), 4) if hosts else None,
        width=_spread(kept, "width"),
        height=_spread(kept, "height"),
        dropped=dropped_by_word(rows),
    )


def _look_alikes(rows: Iterable[Row]) -> LookAlikes:
    in_groups = [row for row in rows if row.group]
    words_of = [reasons.word(row.reason) for row in in_groups]
    conflicts = {
        row.group for row, word in zip(in_groups, words_of, strict=True) if word == reasons.CONFLICT
    }
    return LookAlikes(
        groups=len({row.group for row in in_groups}),
        copies=sum(word in (reasons.DUPLICATE, reasons.NEAR_DUPLICATE) for word in words_of),
        conflicts=len(conflicts),
    )


def _spread(rows: Iterable[Row], column: str) -> Spread | None:
    return Spread.of([value for row in rows if (value := getattr(row, column)) is not None])


def _tally(rows: Iterable[Row], value: Callable[[Row], str]) -> dict[str, int]:
    return _ordered(Counter(value(row) for row in rows))


def _ordered(found: Counter[str]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def dropped_by_word(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows were dropped for each reason's fixed word, most frequent first."""
    return _ordered(Counter(reasons.word(row.reason) for row in rows if not row.kept))
