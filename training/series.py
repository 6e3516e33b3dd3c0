"""A series: several runs that answer one question together.

    SERIES/series.json      what was asked
    SERIES/<trial>/         a run of its own, such as seed-0, fold-2 or share-50
    SERIES/summary.json     the answer, once every trial is done
    SERIES/predictions.csv  of a cross-validation: what was said of each picture by the network
                            that had not seen it
    SERIES/suspects.csv     of a cross-validation: the labels to look at again, of all pictures
    SERIES/report.html      for a person

A series that was stopped goes on: finished trials are left alone, the one under way goes on
from its checkpoint.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from training.errors import RunError, UsageError
from training.models import meaningless
from training.portions import DEALING, Portion
from training.run import Run
from training.whole import write_whole

FILE_NAME = "series.json"
SUMMARY = "summary.json"
SHARES = (0.25, 0.5, 0.75, 1.0)

SeriesKind = Literal["seeds", "folds", "learning-curve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a series is to answer; checked at birth."""

    seeds: int = 1
    """So many trials of each portion, with the recipe's seed and those that follow it."""
    folds: int | None = None
    """Cross-validation over all kept pictures, whatever their split."""
    learning_curve: bool = False
    """Whether to train on a quarter, a half, three quarters and all training pictures."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UsageError(f"--seeds takes a number of runs from 1, not {self.seeds}")
        if self.folds is not None and self.learning_curve:
            raise UsageError(
                "--folds and --learning-curve answer different questions: give one of them"
            )
        self.portions(0)

    def require_chance(self, has_chance: bool) -> None:
        """Make sure that several seeds make several runs.

        Raises:
            UsageError: nothing in the training depends on the seed.
        """
        if self.seeds > 1 and not has_chance:
            raise UsageError(
                "a head on frozen features comes out the same from every seed: leave out --seeds,"
                " or take --transfer two-phase"
            )

    @property
    def is_series(self) -> bool:
        """Whether it takes more than one run."""
        return self.seeds > 1 or self.folds is not None or self.learning_curve

    @property
    def kind(self) -> SeriesKind:
        """What the answer looks like."""
        if self.learning_curve:
            return "learning-curve"
        return "seeds" if self.folds is None else "folds"

    def portions(self, seed: int) -> tuple[Portion, ...]:
        """The parts of the dataset that the trials train on; `seed` deals them."""
        if self.folds is not None:
            numbers = range(1, self.folds + 1) if self.folds > 1 else (1,)
            return tuple(Portion(fold=one, folds=self.folds, seed=seed) for one in numbers)
        if self.learning_curve:
            return tuple(Portion(share=share, seed=seed if share < 1 else 0) for share in SHARES)
        return (Portion(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run of a series."""

    name: str
    """Of its folder."""
    seed: int
    portion: Portion


def trials(question: Question, *, seed: int) -> tuple[Trial, ...]:
    """The runs that a question takes, all seeds of a portion together.

    Args:
        question: What is asked.
        seed: The recipe's, from which the others count up.
    """
    return tuple(
        Trial(
            name=_name(question, portion, one),
            seed=one,
            portion=portion,
        )
        for portion in question.portions(seed)
        for one in range(seed, seed + question.seeds)
    )


def _name(question: Question, portion: Portion, seed: int) -> str:
    parts = []
    if question.kind == "folds":
        parts.append(f"fold-{portion.fold}")
    if question.kind == "learning-curve":
        parts.append(f"share-{round(100 * portion.share)}")
    if question.kind == "seeds" or question.seeds > 1:
        parts.append(f"seed-{seed}")
    return "-".join(parts)


class Series:
    """The folder of one series."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def begin(cls, root: Path, asked: Mapping[str, Any]) -> Series:
        """Make the series at `root`, or take up the one that is there if it asks the same.

        Raises:
            RunError: something else lives there, or it cannot be written.
        """
        series = cls(root)
        if root.is_dir() and any(root.iterdir()) and _meant(series.asked()) != _meant(asked):
            raise RunError(
                f"{root} holds something else than this series: choose another folder with --run"
            )
        series.write(FILE_NAME, _json(asked))
        return series

    def asked(self) -> dict[str, Any] | None:
        """What the series was begun with; None where there is none that can be read."""
        try:
            found = json.loads((self.root / FILE_NAME).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def is_done(self) -> bool:
        """Whether its summary was written."""
        return (self.root / SUMMARY).is_file()

    def write(self, name: str, text: str) -> None:
        """Write one of the series' files whole, or not at all."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_whole(self.root / name, text)
        except OSError as error:
            raise RunError(f"cannot write {self.root / name}: {error}") from error

    def finished(self, trial: Trial) -> dict[str, Any] | None:
        """The metrics of a trial that was finished and measured; None while it was not."""
        root = self.root / trial.name
        try:
            run = Run.open(root)
            metrics = json.loads((root / "metrics.json").read_text("utf-8"))
        except (RunError, OSError, ValueError):
            return None
        is_done = run.record.state == "done" and metrics.get("weights_sha256") is not None
        is_its = metrics.get("weights_sha256") == run.record.weights_sha256
        return metrics if is_done and is_its else None


def asked_of(model: str, question: Question, recipe: Mapping[str, Any], lock_digest: str) -> Any:
    """What `series.json` holds: all that decides about the answer, as JSON reads it again."""
    document = {
        "model": model,
        "kind": question.kind,
        "question": asdict(question),
        "recipe": dict(recipe),
        "lock_digest": lock_digest,
        # By other rules the same folds and shares would hold other pictures.
        **({} if question.kind == "seeds" else {"dealing": DEALING}),
    }
    return json.loads(_json(document))


def _meant(asked: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What was asked, less what has no meaning to the network."""
    recipe = asked.get("recipe") if asked else None
    if asked is None or not isinstance(recipe, dict):
        return asked
    unsaid = meaningless(str(asked.get("model")), recipe.get("transfer"))
    said = {name: value for name, value in recipe.items() if name not in unsaid}
    return {**asked, "recipe": said}


def default_root(parent: Path, asked: Mapping[str, Any]) -> Path:
    """Where a series goes that was given no folder: on with the newest unfinished one that
    asks the same, or into the next number."""
    roots = (parent / f"{asked['model']}-{asked['kind']}-{n}" for n in itertools.count(1))
    taken = list(itertools.takewhile(Path.exists, roots))
    if taken:
        newest = Series(taken[-1])
        if not newest.is_done and _meant(newest.asked()) == _meant(asked):
            return newest.root
    return parent / f"{asked['model']}-{asked['kind']}-{len(taken) + 1}"


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
