"""What a harvest has and what it lacks, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from scraper.harvest import Record, State, host_of

STATES: tuple[State, ...] = ("kept", "skipped", "failed", "pending")


@dataclass(slots=True)
class Tally:
    """How many candidates are in each state, and why those are not kept that are not."""

    states: Counter[State] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def note(self, record: Record) -> None:
        """Count a record."""
        self.states[record.state] += 1
        if record.reason and record.state != "kept":
            self.reasons[record.reason] += 1

    def document(self) -> dict[str, object]:
        """The counts by state, and the reasons with the most frequent first."""
        reasons = sorted(self.reasons.items(), key=lambda one: (-one[1], one[0]))
        return {**{state: self.states[state] for state in STATES}, "reasons": dict(reasons)}


@dataclass(slots=True)
class Inventory:
    """A harvest, counted by species and source, by host and by licence."""

    by_species: dict[tuple[str, str], Tally] = field(default_factory=dict)
    """By species and source."""
    by_host: dict[str, Tally] = field(default_factory=dict)
    licences: Counter[str] = field(default_factory=Counter)
    """Of kept images; empty where the source states none."""
    bytes_by_digest: dict[str, int] = field(default_factory=dict)
    animated: set[str] = field(default_factory=set)
    """Digests of the kept images that have several frames."""

    @classmethod
    def of(cls, records: Iterable[Record]) -> Inventory:
        """Count records."""
        found = cls()
        for record in records:
            found.by_species.setdefault((record.species, record.source), Tally()).note(record)
            host = host_of(record.candidate.address)
            if host:
                found.by_host.setdefault(host, Tally()).note(record)
            if record.sha256 is not None:
                found.licences[record.candidate.licence] += 1
                found.bytes_by_digest[record.sha256] = record.bytes or 0
                if record.is_animated:
                    found.animated.add(record.sha256)
        return found

    @property
    def hosts(self) -> list[tuple[str, Tally]]:
        """Hosts, those with the most kept images first."""

        def place(one: tuple[str, Tally]) -> tuple[int, int, str]:
            host, tally = one
            return -tally.states["kept"], -tally.states.total(), host

        return sorted(self.by_host.items(), key=place)
