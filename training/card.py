"""The model card (Mitchell et al. 2019, arXiv 1810.03993): for whoever gets the model.

Everything in it is taken from the lock, the manifest and the metrics; what they do not say,
such as where the animals lived, is said to be unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from curation.dataset import Dataset, Row
from training.evaluate import Evaluation
from training.intervals import Figure
from training.measure import Measures
from training.models import MODELS
from training.run import Run, RunRecord
from training.unknown import Separation
from training.weights import IMAGENET
from training.wording import (
    baseline_in_words,
    counted,
    in_words,
    interval_in_words,
    left_out_in_words,
    percent,
)

_MOST = 12
"""Licences and sources beyond these are put together."""
_CONFUSIONS = 5
NOT_CALIBRATED = (
    "There were no validation pictures: its probabilities are as the network gave them, mostly too"
    " sure, and it never says unknown."
)


def model_card(
    run: Run,
    dataset: Dataset,
    evaluations: Mapping[str, Evaluation],
    *,
    separation: Separation | None = None,
) -> str:
    """The text of `model-card.md`."""
    measures = (evaluations.get("test") or evaluations["val"]).measures
    sections = [
        _head(run.record),
        _use(run.record, separation),
        _figures(measures, is_chosen_by="test" not in evaluations),
        _confusions(measures),
        _data(run.record, dataset),
        _training(run.record),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _head(record: RunRecord) -> Iterator[str]:
    yield f"# {record.model}: {', '.join(map(_plain, record.species))}"
    yield ""
    yield (
        f"An image classifier that tells {len(record.species)} species apart. Network:"
        f" {record.model}, {MODELS[record.model].source}. Input: RGB, {record.side_px} ×"
        f" {record.side_px} px, values 0 to 255; photos are turned upright and made square"
        f" (`{record.curation.fit}`) as in training."
    )


def _use(record: RunRecord, separation: Separation | None) -> Iterator[str]:
    yield "## What it is for, and what not"
    yield ""
    yield (
        "It names the species in a picture that shows one of them. It was not told of any"
        " other animal, nor of pictures without an animal."
    )
    calibration = record.calibration
    if calibration is not None:
        yield (
            f"Below a probability of {percent(calibration.unknown_below)} it says *unknown*; of"
            f" the {calibration.n} validation pictures this loses {percent(calibration.lost)}."
        )
    else:
        yield NOT_CALIBRATED
    if separation is None:
        yield "How well it tells other animals from these was not measured."
    else:
        yield (
            f"Of {separation.n} pictures of other animals ({_plain(separation.others)}),"
            f" {in_words(separation.caught)} are called unknown; AUROC"
            f" {in_words(separation.auroc)}."
        )
    yield (
        "Whether it works on photos from another camera, place or season than those of the"
        " dataset is unknown: the manifest says where a picture was found, not where it was taken."
    )


def _figures(measures: Measures, *, is_chosen_by: bool) -> Iterator[str]:
    yield f"## How good it is, on {counted(measures.n, f'{measures.split} picture')}"
    yield ""
    yield (
        "These pictures chose what validation chooses, so the figures flatter: the dataset has no"
        " test split."
        if is_chosen_by
        else "These pictures took no part in training and chose nothing."
    )
    yield from ("", "| measure | value | 95 % interval |", "|---|---|---|")
    rows = {
        "accuracy": measures.accuracy,
        "balanced accuracy": measures.balanced_accuracy,
        "macro F1": measures.macro_f1,
        **({"right among the first two": measures.top_2} if measures.has_top_2 else {}),
        "expected calibration error": measures.reliability.ece,
    }
    for name, figure in rows.items():
        yield f"| {name} | {percent(figure.value)} | {_interval(figure)} |"
    yield ""
    if line := left_out_in_words(measures):
        yield from (line, "")
    yield from (f"- {baseline_in_words(one)}" for one in measures.baselines)
    yield from ("", "| species | n | recall | precision | F1 |", "|---|---|---|---|---|")
    for row in measures.species:
        cells = (
            f"{percent(one.value)} ({_interval(one)})"
            for one in (row.recall, row.precision, row.f1)
        )
        yield f"| {_plain(row.species)} | {row.n} | {' | '.join(cells)} |"


def _confusions(measures: Measures) -> Iterator[str]:
    yield "## What it confuses"
    yield ""
    names = [row.species for row in measures.species]
    wrong = sorted(
        (
            (-count, names[label], names[said])
            for label, counts in enumerate(measures.confusion)
            for said, count in enumerate(counts)
            if count and said != label
        )
    )
    if not wrong:
        yield f"Nothing, in {counted(measures.n, 'picture')}."
    for count, shown, said in wrong[:_CONFUSIONS]:
        yield f"- {_plain(shown)}, taken for {_plain(said)}: {counted(-count, 'picture')}"


def _data(record: RunRecord, dataset: Dataset) -> Iterator[str]:
    kept = [row for row in dataset.rows if row.kept]
    yield "## What it was trained on"
    yield ""
    yield (
        f"{len(kept)} pictures of the dataset locked as `{record.lock_digest}`; this run:"
        f" {record.portion.in_words()}."
    )
    yield from ("", "| species | train | val | test |", "|---|---|---|---|")
    for species in record.species:
        counts = Counter(row.split for row in kept if row.species == species)
        yield f"| {_plain(species)} | {counts['train']} | {counts['val']} | {counts['test']} |"
    yield ""
    for name, of in (("Sources", _source), ("Licences, as the sources state them", _licence)):
        yield f"{name}: {_counted(kept, of)}."
    yield ("The pictures belong to those who took them; the manifest has page and address of each.")


def _source(row: Row) -> str:
    return row.source


def _licence(row: Row) -> str:
    return row.licence


def _counted(rows: Sequence[Row], of: Callable[[Row], str]) -> str:
    counts = Counter(of(row) or "not stated" for row in rows).most_common()
    listed = [f"{_plain(name)} {count}" for name, count in counts[:_MOST]]
    rest = sum(count for _, count in counts[_MOST:])
    return ", ".join([*listed, *([f"others {rest}"] if rest else [])])


def _training(record: RunRecord) -> Iterator[str]:
    yield "## How it was made"
    yield ""
    yield f"- epoch {record.best_epoch} of {record.epochs}, seed {record.recipe.seed}"
    yield f"- weights: `model.weights.h5`, SHA-256 `{record.weights_sha256}`"
    if record.first_weights_sha256:
        yield f"- first weights of the backbone: SHA-256 `{record.first_weights_sha256}`"
    if record.first_weights_licence:
        yield f"- {licence_in_words(record)}"
    yield f"- recipe: {_listed(record.said.items())}"
    if record.said.get("transfer") == "frozen":
        yield f"- head: {HEAD_IN_WORDS}"
    yield f"- versions: {_listed(record.versions.items())}"


HEAD_IN_WORDS = (
    "logistic regression on the frozen backbone's features of the pictures and their mirror"
    " images; of three L2 penalties the one that did best on a third kept apart"
)


def licence_in_words(record: RunRecord) -> str:
    """The licence of the first weights: of a file of one's own, that of the published one."""
    is_published = record.recipe.weights == IMAGENET
    whose = "" if is_published else ", if the file named is what Keras publishes"
    return f"licence of the first weights{whose}: {record.first_weights_licence}"


def _listed(pairs: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in pairs)


def _interval(figure: Figure) -> str:
    return interval_in_words(figure).removeprefix("95 % interval ")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{one}" if one in "\\`*_[]<>|#" else one for one in text.replace("\n", " "))
