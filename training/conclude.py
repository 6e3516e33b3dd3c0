"""Concluding a run: measured, reported and told of in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.dataset import Dataset
from training import predictions, suspects
from training.calibration import HIGHEST
from training.card import NOT_CALIBRATED, model_card
from training.evaluate import (
    Evaluation,
    as_calibrated,
    chosen_by,
    evaluate,
    metrics_document,
    predictions_of,
    write_metrics,
)
from training.measure import Measures
from training.others import OtherPictures
from training.predict import probabilities_of
from training.report import write_report
from training.run import Run
from training.unknown import Separation, separation
from training.wording import baseline_in_words, in_words

_NAMED = 20
"""Files that cannot be read are named, up to so many."""


def conclude(
    run: Run,
    dataset: Dataset,
    network: Any,
    *,
    with_baseline: bool = True,
    others: OtherPictures | None = None,
    siblings: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, Any], str]:
    """Measure a trained network and write all that follows from it; a document and a text.

    Args:
        run: Finished.
        dataset: The one that it was trained on.
        network: Its network.
        with_baseline: Whether to fit the baseline without a network, too.
        others: Pictures of other animals, to measure `unknown` on.
        siblings: Runs on the same pictures, whose baseline need not be fitted anew.
        tell: Told what takes a while.
    """
    dealt = run.record.portion.of(dataset)
    decided = suspects.decisions(run.root / suspects.FILE_NAME)
    evaluations = evaluate(
        run, dealt, network, with_baseline=with_baseline, siblings=siblings, tell=tell
    )
    apart = None
    if others is not None:
        for name in others.unread[:_NAMED]:
            tell(f"Left out {name}: it cannot be read.")
        if len(others.unread) > _NAMED:
            tell(f"And {len(others.unread) - _NAMED} more that cannot be read.")
        apart = _separation(run, evaluations, network, others)
    document = metrics_document(run, evaluations, separation=apart)
    write_metrics(run, document)
    said = predictions_of(evaluations)
    species = run.record.species
    run.write(predictions.FILE_NAME, predictions.to_csv(said, species))
    doubted = None
    if suspects.can_judge(said.values()):
        doubted = suspects.worst_first(
            one for split in said for one in suspects.suspects(split, said[split], species)
        )
    run.write(suspects.FILE_NAME, suspects.to_csv(doubted or (), decided))
    run.write("model-card.md", model_card(run, dealt, evaluations, separation=apart))
    write_report(run, dealt, evaluations, network=network, suspects=doubted, separation=apart)
    return {"run": str(run.root), "metrics": document}, _summary(run, evaluations, apart)


def _separation(
    run: Run, evaluations: Mapping[str, Evaluation], network: Any, others: OtherPictures
) -> Separation:
    record = run.record
    known = evaluations.get("test") or evaluations["val"]
    raw = probabilities_of(network, others.pixels)
    return separation(
        known.probabilities,
        as_calibrated(raw, record.calibration),
        named=others.in_words,
        species=record.species,
        unknown_below=0.0 if record.calibration is None else record.calibration.unknown_below,
        seed=record.recipe.seed,
    )


def _summary(run: Run, evaluations: Mapping[str, Evaluation], apart: Separation | None) -> str:
    record = run.record
    chosen = "the last" if chosen_by(record, evaluations) == "nothing" else "the best"
    lines = [f"{record.model}: epoch {record.best_epoch} of {record.epochs} is {chosen}."]
    for one in evaluations.values():
        lines += ["", *_split_lines(one.measures)]
    if record.calibration is not None:
        lines += [
            "",
            f"Calibrated on {record.calibration.n} validation pictures: temperature"
            f" {record.calibration.temperature:.2f}; `predict` says unknown below"
            f" {record.calibration.unknown_below:.0%}.",
        ]
        is_of_use = evaluations["val"].measures.baselines[0].network.verdict == "better"
        if record.calibration.temperature > 0.99 * HIGHEST and not is_of_use:
            lines.append(
                "No higher temperature is tried: what the network says is hardly worth a guess."
            )
    else:
        lines += ["", NOT_CALIBRATED]
    if apart is not None:
        lines += separation_lines(apart)
    lines += ["", who_chose(record.recipe.monitor, set(evaluations))]
    return "\n".join([*lines, f"Report: {run.root / 'report.html'}"])


def who_chose(monitor: str, splits: set[str]) -> str:
    """What the pictures of each split decided, and what that makes of their figures."""
    if not {"val", "test"} <= splits:
        return "The dataset lacks validation or test pictures: nothing chose, or figures flatter."
    chosen = "the temperature" if monitor == "none" else "the epoch and the temperature"
    return f"Validation chose {chosen}, so its figures flatter; the test pictures chose nothing."


def _split_lines(measures: Measures) -> list[str]:
    lines = [f"{measures.split}: accuracy {in_words(measures.accuracy)}."]
    lines += [f"  {baseline_in_words(one)}" for one in measures.baselines]
    lines.append(f"  Calibration error (ECE) {in_words(measures.reliability.ece)}.")
    return lines + [
        f"  {row.species:24} recognised {in_words(row.recall)}" for row in measures.species
    ]


def separation_lines(apart: Separation) -> list[str]:
    """How well other animals are told from the known ones, in lines."""
    return [
        f"Of {apart.n} pictures of other animals ({apart.others}) {in_words(apart.caught)} are"
        f" called unknown, and so are {in_words(apart.lost)} of the known species'.",
        f"  Told apart at all (AUROC): {in_words(apart.auroc)}.",
    ]
