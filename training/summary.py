"""The answer of a series: what its runs say together, and how far it can be trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import learning_curve, predictions, suspects
from training.comparison import Comparison, against_one_answer, compared
from training.intervals import Counts, Figure, Floats, over_pictures, student, wider, wilson
from training.learning_curve import LearningCurve
from training.predictions import Predictions
from training.report import render
from training.series import SUMMARY, Question, Series, Trial
from training.wording import in_words, percent, points

Metrics = Mapping[str, Any]
Done = Sequence[tuple[Trial, Metrics]]

MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One measure over the runs."""

    name: str
    mean: Figure
    """With Student's interval over the runs: of folds, a rough one, since they share most of
    their training pictures (Bengio and Grandvalet 2004)."""
    deviation: float | None
    """Standard deviation over the runs; None of one."""
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a series found."""

    model: str
    kind: str
    seeds: int
    """Of every portion."""
    lock_digest: str
    species: tuple[str, ...]
    split: str
    """Where it was measured: `test`, or `val` where there are no test pictures."""
    runs: tuple[dict[str, Any], ...]
    """One line each: trial, seed, portion, and its measures."""
    spreads: tuple[Spread, ...]
    accuracy: Figure
    """The mean of the runs, its interval holds both that over the runs and that over the
    pictures."""
    chosen_by: str
    """What chose the epoch in each run, as `metrics.json` has it; `nothing` where nothing did."""
    pictures: Figure
    """Accuracy over all runs, with an interval over the pictures: what other pictures of the
    same kind would change."""
    majority: Figure
    """Of always naming the species that is commonest among these pictures."""
    against_majority: Comparison
    """The network against naming one species always, on the same pictures."""
    against_patches: Comparison | None
    """The network against the baseline without one, on the same pictures."""
    patches: Figure | None
    curve: LearningCurve | None = None

    def record(self) -> dict[str, Any]:
        """The summary as JSON."""
        return asdict(self)


def conclude(
    series: Series, question: Question, done: Done, *, seed: int
) -> tuple[dict[str, Any], str]:
    """Write the answer of a series whose trials are done; a document and a text."""
    species = tuple(done[0][1]["species"])
    split = "test" if done[0][1]["splits"]["test"] is not None else "val"
    said = [predictions.read(series.root / trial.name, species)[split] for trial, _ in done]
    summary = summarised(question, done, said, split=split, seed=seed)
    if question.kind == "folds":
        _write_out_of_fold(series, question, said, species)
    series.write("report.html", render("series.html.j2", summary=summary, name=series.root.name))
    document = summary.record()
    series.write(SUMMARY, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    text = "\n".join([*in_lines(summary), f"Report: {series.root / 'report.html'}"])
    return {"series": str(series.root), "summary": document}, text


def _write_out_of_fold(
    series: Series, question: Question, said: Sequence[Predictions], species: Sequence[str]
) -> None:
    """Each picture was tested in one fold: the middle seed's networks speak for all pictures."""
    pooled = _pooled(_middle(said, question.seeds))
    series.write(predictions.FILE_NAME, predictions.to_csv({"test": pooled}, species))
    doubted = []
    if suspects.can_judge([pooled]):
        doubted = suspects.suspects("out of fold", pooled, species)
    decided = suspects.decisions(series.root / suspects.FILE_NAME)
    series.write(suspects.FILE_NAME, suspects.to_csv(doubted, decided))


def _pooled(said: Sequence[Predictions]) -> Predictions:
    patches = [one.patches_said for one in said]
    known = [one for one in patches if one is not None]
    return Predictions(
        digests=tuple(digest for one in said for digest in one.digests),
        labels=np.concatenate([one.labels for one in said]),
        probabilities=np.concatenate([one.probabilities for one in said]),
        patches_said=np.concatenate(known) if len(known) == len(patches) else None,
    )


def summarised(
    question: Question, done: Done, said: Sequence[Predictions], *, split: str, seed: int
) -> Summary:
    """Draw the figures of the runs together.

    Args:
        question: What was asked.
        done: The trials, with their metrics.
        said: What each of them said of the pictures of `split`.
        split: Where it is measured.
        seed: Of the bootstrap.
    """
    metrics = [one for _, one in done]
    whole = [place for place, (trial, _) in enumerate(done) if trial.portion.share == 1]
    measured = [metrics[place]["splits"][split] for place in whole]
    middle = _pooled(_middle([said[place] for place in whole], question.seeds))
    patches = _against_patches(middle)
    spreads = tuple(_spread(name, measured) for name in MEASURES)
    pictures = _over_pictures([said[place] for place in whole], seed=seed)
    return Summary(
        model=metrics[0]["model"],
        kind=question.kind,
        seeds=question.seeds,
        lock_digest=metrics[0]["lock_digest"],
        species=tuple(metrics[0]["species"]),
        split=split,
        runs=tuple(_run_line(trial, one, split) for trial, one in done),
        spreads=spreads,
        accuracy=wider(spreads[0].mean, pictures),
        chosen_by=metrics[0]["chosen_by"],
        pictures=pictures,
        majority=_one_answer(middle),
        against_majority=against_one_answer(middle.right, middle.labels),
        against_patches=None if patches is None else patches[0],
        patches=None if patches is None else patches[1],
        curve=learning_curve.drawn(done, said, split=split) if question.learning_curve else None,
    )


def _run_line(trial: Trial, metrics: Metrics, split: str) -> dict[str, Any]:
    measured = metrics["splits"][split]
    return {
        "name": trial.name,
        "seed": trial.seed,
        "portion": trial.portion.in_words(),
        "n": measured["n"],
        "best_epoch": metrics["best_epoch"],
        "epochs": metrics["epochs"],
        **{name: measured[name]["value"] for name in MEASURES},
        "interval": [measured["accuracy"]["low"], measured["accuracy"]["high"]],
    }


def _spread(name: str, measured: Sequence[Metrics]) -> Spread:
    values: Floats = np.array([one[name]["value"] for one in measured], np.float64)
    return Spread(
        name=name.replace("_", " "),
        mean=student(values),
        deviation=float(values.std(ddof=1)) if len(values) > 1 else None,
        lowest=float(values.min()),
        highest=float(values.max()),
    )


def _over_pictures(said: Sequence[Predictions], *, seed: int) -> Figure:
    """Mean accuracy, resampling pictures; each counts the share of its runs that are right."""
    shares = right_shares(said)
    n = len(shares)
    if set(np.unique(shares)) <= {0.0, 1.0}:
        return wilson(int(shares.sum()), n)

    def means(draws: Counts) -> Floats:
        drawn: Floats = draws @ shares / n
        return drawn

    return over_pictures(means, n=n, seed=seed, value=float(shares.mean()))


def right_shares(said: Sequence[Predictions]) -> Floats:
    """For each picture, in the order of their digests, the share of runs that recognise it."""
    asked, right = _digests(said), np.concatenate([one.right for one in said])
    _, places = np.unique(asked, return_inverse=True)
    shares: Floats = np.bincount(places, right) / np.bincount(places)
    return shares


def _digests(said: Sequence[Predictions]) -> NDArray[np.str_]:
    return np.array([digest for one in said for digest in one.digests])


def _one_answer(pooled: Predictions) -> Figure:
    counts = np.bincount(pooled.labels)
    return wilson(int(counts.max(initial=0)), len(pooled.labels))


def _middle(said: Sequence[Predictions], seeds: int) -> Sequence[Predictions]:
    """What the seed said whose accuracy is in the middle: no lucky one stands for all."""
    of_seed = [said[first::seeds] for first in range(seeds)]
    ranked = sorted(of_seed, key=lambda some: float(_pooled(some).right.mean()))
    return ranked[(seeds - 1) // 2]


def _against_patches(pooled: Predictions) -> tuple[Comparison, Figure] | None:
    if pooled.patches_said is None:
        return None
    right = pooled.patches_said == pooled.labels
    return compared(pooled.right, right), wilson(int(right.sum()), len(right))


def in_lines(summary: Summary) -> list[str]:
    """The answer on the terminal."""
    lines = [f"{summary.model}, {_KINDS[summary.kind]}: {len(summary.runs)} runs.", ""]
    lines += [
        f"  {run['name']:22} {summary.split} accuracy {percent(run['accuracy'])}, epoch"
        f" {run['best_epoch']} of {run['epochs']}, n = {run['n']}"
        for run in summary.runs
    ]
    if summary.curve is None:
        first, *others = summary.spreads
        both = "over runs and pictures, both together"
        lines += ["", _spread_line(first, summary.accuracy, both)]
        lines += [_spread_line(spread, spread.mean, "over runs alone") for spread in others]
        lines.append(f"Over all pictures: accuracy {in_words(summary.pictures)}.")
    one_answer = f"naming one species always: {percent(summary.majority.value)}."
    lines.append(_verdict_line(summary, summary.against_majority, one_answer))
    if summary.against_patches is not None and summary.patches is not None:
        patches = f"whitened patches and ridge, no network: {percent(summary.patches.value)}."
        lines.append(_verdict_line(summary, summary.against_patches, patches))
    return lines if summary.curve is None else [*lines, "", *learning_curve.in_lines(summary.curve)]


def _verdict_line(summary: Summary, comparison: Comparison, baseline: str) -> str:
    told = {"better": "beats", "worse": "is worse than", "cannot tell": "cannot be told from"}
    middle = ", of the seed in the middle," if summary.seeds > 1 else ""
    return f"The network{middle} {told[comparison.verdict]} {baseline}"


_KINDS = {
    "seeds": "the same training from several seeds",
    "folds": "cross-validation",
    "learning-curve": "learning curve",
}


def _spread_line(spread: Spread, mean: Figure, over: str) -> str:
    line = f"{spread.name}: mean {percent(mean.value)}"
    if spread.deviation is None:
        return line
    interval = ""
    if mean.low is not None and mean.high is not None:
        interval = f" (95 % interval {percent(mean.low)} to {percent(mean.high)}, {over})"
    return (
        f"{line}{interval}, deviation {points(spread.deviation)[1:]} points,"
        f" from {percent(spread.lowest)} to {percent(spread.highest)}"
    )
