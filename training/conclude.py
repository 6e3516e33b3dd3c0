"""Concluding a run: measured, reported and told of in words."""

from __future__ import annotations

from typing import Any

from curation.dataset import Dataset
from training.evaluate import evaluate, metrics_document, write_metrics
from training.measure import Measures
from training.report import write_report
from training.run import Run
from training.wording import in_words, verdict_in_words


def conclude(run: Run, dataset: Dataset, network: Any) -> tuple[dict[str, Any], str]:
    """Measure a trained network, write `metrics.json` and the report; a document and a text."""
    evaluations = evaluate(run, dataset, network)
    document = metrics_document(run, evaluations)
    write_metrics(run, document)
    write_report(run, dataset, evaluations)
    measures = [evaluation.measures for evaluation in evaluations.values()]
    return {"run": str(run.root), "metrics": document}, _summary(run, measures)


def _summary(run: Run, measures: list[Measures]) -> str:
    record = run.record
    lines = [f"{record.model}: epoch {record.best_epoch} of {record.epochs} is the best."]
    for one in measures:
        lines += ["", f"{one.split}: accuracy {in_words(one.accuracy)}."]
        lines.append(f"  {verdict_in_words(one)}")
        lines += [
            f"  {row.species:24} {row.n:>4} pictures, recognised {in_words(row.recall)}"
            for row in one.species
        ]
    return "\n".join([*lines, "", f"Report: {run.root / 'report.html'}"])
