"""The run's page: every figure with its interval, where the network fails, how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from curation.dataset import Dataset
from training.card import HEAD_IN_WORDS, NOT_CALIBRATED, licence_in_words
from training.charts import charts, reliability_plot
from training.evaluate import Evaluation, chosen_by
from training.intervals import Figure
from training.measure import Measures
from training.models import MODELS
from training.run import Run
from training.sheets import doubts, matrix, mistakes
from training.slices import by_size, by_source
from training.suspects import Suspect
from training.unknown import Separation
from training.wording import (
    baseline_in_words,
    in_words,
    interval_in_words,
    left_out_in_words,
    p_in_words,
    percent,
    points,
    verdict_in_words,
)

SUSPECTS = 20
"""At most this many are listed; `suspects.csv` has all."""


def write_report(
    run: Run,
    dataset: Dataset,
    evaluations: Mapping[str, Evaluation],
    *,
    network: Any = None,
    suspects: Sequence[Suspect] | None = (),
    separation: Separation | None = None,
) -> None:
    """Write `report.html`; with a network, it shows where that looked.

    `suspects` is None where the network knows too little to doubt a label.
    """
    splits = [split for split in ("test", "val") if split in evaluations]
    shown = evaluations[splits[0]]
    history = run.checkpoints.progress().history
    best_epoch = run.record.best_epoch or len(history)
    right = shown.probabilities.argmax(axis=1) == shown.pictures.labels
    page = render(
        "run.html.j2",
        run=run.record,
        name=run.root.resolve().name,
        entry=MODELS[run.record.model],
        licence=licence_in_words(run.record),
        measures=shown.measures,
        figures=_figures([evaluations[split].measures for split in splits]),
        splits=splits,
        reliability=reliability_plot(shown.measures.reliability),
        separation=separation,
        charts=charts(history, best_epoch) if len(history) > 1 else (),
        matrix=matrix(shown, dataset.species),
        mistakes=mistakes(shown, dataset.species, network),
        suspects=None if suspects is None else doubts(evaluations, suspects[:SUSPECTS]),
        suspect_count=len(suspects or ()),
        judged=sum(one.measures.n for one in evaluations.values()),
        chosen_by=chosen_by(run.record, evaluations),
        left_out=[
            line for split in splits if (line := left_out_in_words(evaluations[split].measures))
        ],
        not_calibrated=NOT_CALIBRATED,
        slices={
            "shorter side of the original": by_size(shown.pictures.rows, right),
            "source": by_source(shown.pictures.rows, right),
        },
        skipped=[skip for one in evaluations.values() for skip in one.pictures.skipped],
        recipe=run.record.said,
        head=HEAD_IN_WORDS,
        is_varied=_is_varied(run.record.said),
    )
    run.write("report.html", page)


def render(template: str, **values: Any) -> str:
    """A page of this stage; it needs nothing from outside itself."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("training"), PackageLoader("curation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "in_words": in_words,
        "interval": interval_in_words,
        "percent": percent,
        "points": points,
        "p_words": p_in_words,
        "verdict": verdict_in_words,
        "baseline": baseline_in_words,
    }
    # No line ends between a number and its sign.
    return environment.get_template(template).render(**values).replace(" %", "\N{NO-BREAK SPACE}%")


def _is_varied(recipe: Mapping[str, Any]) -> bool:
    """Whether pictures are shown otherwise than they are."""
    amounts = ("shift", "colour", "rand_augment", "erasing", "mixup", "cutmix")
    return recipe.get("flips", "none") != "none" or any(recipe.get(name) for name in amounts)


def _figures(measures: Sequence[Measures]) -> list[tuple[str, list[Figure]]]:
    """The measures of a split side by side with the other's."""
    of: dict[str, Callable[[Measures], Figure]] = {
        "accuracy": lambda one: one.accuracy,
        "balanced accuracy": lambda one: one.balanced_accuracy,
        "macro F1": lambda one: one.macro_f1,
        **({"among the first two": lambda one: one.top_2} if measures[0].has_top_2 else {}),
        "expected calibration error": lambda one: one.reliability.ece,
    }
    rows = [(name, [figure(one) for one in measures]) for name, figure in of.items()]
    for place, baseline in enumerate(measures[0].baselines):
        name = f"baseline: {baseline.says.rstrip(',')}"
        rows.append((name, [one.baselines[place].accuracy for one in measures]))
    return rows
