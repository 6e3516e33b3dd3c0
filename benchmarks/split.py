"""Our split beside scikit-learn's and beside a plain hash: leaks, shares, stability, time.

    python benchmarks/split.py

Made image lists of 33 species (20 to 200 images, half of them in groups of 2 to 9, as
pages and hosts give them), 70/15/15 and five seeds. "Moved" is the share of images that
change sides when a tenth more images come.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from curation.split import split, torn
from curation.tickets import Ticket

SHARES = (0.7, 0.15, 0.15)
Home = Mapping[str, str]


def made(seed: int, *, spans_species: bool) -> list[Ticket]:
    rng = random.Random(seed)
    tickets: list[Ticket] = []
    for number in range(33):
        left = rng.randint(20, 200)
        while left:
            size = min(left, rng.randint(2, 9) if rng.random() < 1 / 6 else 1)
            name = f"{number}-{left}-{seed}"
            for part in range(size):
                species = rng.randrange(33) if spans_species and part else number
                digest = hashlib.sha256(f"{name}-{part}".encode()).hexdigest()
                group = name if size > 1 else None
                tickets.append(Ticket(digest=digest, species=f"s{species:02}", group=group))
            left -= size
    rng.shuffle(tickets)
    return tickets


def ours(tickets: Sequence[Ticket], seed: int, before: Home | None = None) -> Home:
    del before
    return split(tickets, shares=SHARES, seed=seed)


def ours_settled(tickets: Sequence[Ticket], seed: int, before: Home | None = None) -> Home:
    return split(tickets, shares=SHARES, seed=seed, settled=before)  # type: ignore[arg-type]


def stratified(tickets: Sequence[Ticket], seed: int, before: Home | None = None) -> Home:
    del before
    labels = [ticket.species for ticket in tickets]
    rest, test = train_test_split(
        range(len(tickets)), test_size=0.15, stratify=labels, random_state=seed
    )
    rest_labels = [labels[number] for number in rest]
    train, val = train_test_split(
        rest, test_size=0.15 / 0.85, stratify=rest_labels, random_state=seed
    )
    return _home(tickets, train=train, val=val, test=test)


def group_shuffle(tickets: Sequence[Ticket], seed: int, before: Home | None = None) -> Home:
    del before
    groups = np.array([ticket.group or ticket.digest for ticket in tickets])
    everything = np.arange(len(tickets))
    cut = GroupShuffleSplit(1, test_size=0.15, random_state=seed)
    rest, test = next(cut.split(everything, groups=groups))
    cut = GroupShuffleSplit(1, test_size=0.15 / 0.85, random_state=seed)
    train, val = next(cut.split(rest, groups=groups[rest]))
    return _home(tickets, train=rest[train], val=rest[val], test=test)


def stratified_group(tickets: Sequence[Ticket], seed: int, before: Home | None = None) -> Home:
    del before
    labels = np.array([ticket.species for ticket in tickets])
    groups = np.array([ticket.group or ticket.digest for ticket in tickets])
    folds = StratifiedGroupKFold(20, shuffle=True, random_state=seed)
    parts = [test for _, test in folds.split(labels, labels, groups)]
    return _home(
        tickets,
        train=np.concatenate(parts[6:]),
        val=np.concatenate(parts[3:6]),
        test=np.concatenate(parts[:3]),
    )


def hashed(tickets: Sequence[Ticket], seed: int, before: Home | None = None) -> Home:
    del before
    home = {}
    for ticket in tickets:
        name = f"{seed} {ticket.group or ticket.digest}".encode()
        lot = int(hashlib.sha256(name).hexdigest()[:8], 16) / 2**32
        home[ticket.digest] = "test" if lot < 0.15 else "val" if lot < 0.3 else "train"
    return home


def _home(tickets: Sequence[Ticket], **numbers: Sequence[int]) -> Home:
    return {tickets[number].digest: name for name, some in numbers.items() for number in some}


SPLITTERS: dict[str, Callable[..., Home]] = {
    "ours": ours,
    "ours, `--keep-splits`": ours_settled,
    "train_test_split, stratified": stratified,
    "GroupShuffleSplit": group_shuffle,
    "StratifiedGroupKFold(20)": stratified_group,
    "hash of the group": hashed,
}


def figures(splitter: Callable[..., Home], *, spans_species: bool) -> list[str]:
    leaks, moved, shares, seconds = [], [], [], []
    for seed in range(5):
        tickets = made(seed, spans_species=spans_species)
        before = tickets[: len(tickets) * 10 // 11]
        began = time.process_time()
        earlier = splitter(before, seed)
        home = splitter(tickets, seed, earlier)
        seconds.append((time.process_time() - began) / 2)
        test = {ticket.digest for ticket in tickets if home[ticket.digest] == "test"}
        bad = set(torn(tickets, home))
        leaking = sum(ticket.group in bad for ticket in tickets if ticket.digest in test)
        leaks.append(leaking / len(test))
        moved.append(mean(earlier[digest] != home[digest] for digest in earlier))
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for ticket in tickets:
            counts[ticket.species][home[ticket.digest]] += 1
        shares += [one["test"] / one.total() for one in counts.values()]
    return [
        f"{mean(leaks):.1%}",
        f"{min(shares):.3f}–{max(shares):.3f}",
        f"{mean(moved):.1%}",
        f"{mean(seconds):.2f}",
    ]


def main() -> None:
    for spans_species in (False, True):
        print("Groups", "across species" if spans_species else "within species")
        print("\n| | test files that leak | class share of test (0.15) | moved | CPU s |")
        print("|---|---|---|---|---|")
        for name, splitter in SPLITTERS.items():
            print(f"| {name} | {' | '.join(figures(splitter, spans_species=spans_species))} |")
        print()
    tickets = [
        Ticket(digest=f"{number:064x}", species=f"s{number % 100}") for number in range(10**5)
    ]
    began = time.process_time()
    ours(tickets, 0)
    print(f"100,000 images of 100 species: {time.process_time() - began:.2f} CPU s")


if __name__ == "__main__":
    main()
