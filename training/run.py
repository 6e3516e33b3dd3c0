"""The run: what training writes, and `evaluate` and `predict` read.

    RUN/run.json        what was trained on what, and how; written first and last
    RUN/labels.txt      the species, one a line, in the order of the model's outputs
    RUN/history.csv     one line an epoch
    RUN/model.weights.h5  the chosen epoch's numbers: what `predict` and all others load
    RUN/model.keras     the same network whole, without optimizer, for use outside Bestiary
    RUN/metrics.json    every figure with its n and 95 % interval
    RUN/predictions.csv what was said of each validation and test picture
    RUN/suspects.csv    the labels to look at again, for `bestiary curate --review`
    RUN/report.html     for a person
    RUN/model-card.md   for whoever gets the model
    RUN/checkpoint/     to go on from (`training.checkpoint`)
    RUN/.under-way      its batch size, while a process trains and measures it
    latest              beside RUN: a link, or a line of text, that names the newest

A model is never loaded from what a file says it is: the network is built anew from the
registry, and takes nothing but numbers, from a file that holds nothing else and whose SHA-256
`run.json` knows. `model.keras` is written and never read.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, TextIO

from curation.errors import CurationError
from curation.recipe import CurationRecipe
from training import models, weights
from training.calibration import Calibration
from training.checkpoint import Checkpoints
from training.errors import UNREADABLE, RunError, TrainingError
from training.history import History, to_csv
from training.portions import WHOLE, Portion
from training.recipe import TrainRecipe
from training.whole import write_whole

RUN_VERSION = 2
_MARK = ".under-way"
_MOST_PX = 4096
_WHY_NO_FILES = (
    "a model file from elsewhere could run code when it is loaded, so name the folder of a run,"
    " which `bestiary train` makes"
)
LATEST = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What `run.json` says."""

    model: str
    species: tuple[str, ...]
    """In the order of the model's outputs."""
    side_px: int
    """At which the model sees its pictures."""
    dataset: str
    """Where the dataset lay, absolute."""
    lock_digest: str
    curation: CurationRecipe
    """How the dataset's pictures were rendered, and how those to predict have to be."""
    through_jpeg: bool = True
    """Whether those that it learnt of went through the JPEG of that: those of an .npz did not."""
    recipe: TrainRecipe
    commonest: str
    """The species with the most training pictures: the baseline's only word."""
    backend: str = ""
    versions: Mapping[str, str]
    """Of what decides about the weights."""
    first_weights_sha256: str | None = None
    """Of the file that the backbone's first weights came from."""
    first_weights_licence: str | None = None
    """Of the weights that are published for the backbone; a file of one's own may have another."""
    state: Literal["training", "done"] = "training"
    epochs: int = 0
    best_epoch: int | None = None
    model_sha256: str | None = None
    """Of `model.keras`."""
    weights_sha256: str | None = None
    """Of `model.weights.h5`."""
    calibration: Calibration | None = None
    """What the validation pictures say of its probabilities; None until they were measured."""
    portion: Portion = WHOLE
    """Which part of the dataset it was trained on."""

    def to_json(self) -> str:
        """The record as `run.json` holds it."""
        document = {
            "version": RUN_VERSION,
            **asdict(self),
            "curation": self.curation.record(),
        }
        return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; ValueError, KeyError or TypeError for anything else."""
        document = json.loads(text)
        if document.pop("version") != RUN_VERSION:
            raise ValueError("another version of Bestiary wrote it")
        document["species"] = tuple(document["species"])
        document["curation"] = CurationRecipe.from_record(document["curation"])
        document["recipe"] = TrainRecipe(**document["recipe"])
        # Runs of before there were other rules do not name theirs.
        portion = Portion(**{"dealing": 1, **document.get("portion", {})})
        document["portion"] = WHOLE if portion.is_whole else portion
        if document.get("calibration") is not None:
            document["calibration"] = Calibration(**document["calibration"])
        record = cls(**document)
        record.require_sensible()
        return record

    def require_sensible(self) -> None:
        """Make sure that a network can be built of it: the file may come from a stranger.

        Raises:
            ValueError: it cannot be meant.
        """
        if not isinstance(self.side_px, int) or not 8 <= self.side_px <= _MOST_PX:
            raise ValueError(f"side_px must be a number from 8 to {_MOST_PX}")
        names = (self.model, *self.species)
        if len(self.species) < 2 or not all(isinstance(name, str) for name in names):
            raise ValueError("model and species must be names, and species at least two")
        if len(set(self.species)) < len(self.species):
            raise ValueError("no two species may have one name")
        texts = (self.dataset, self.lock_digest, self.commonest, self.backend)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("dataset, lock_digest, commonest and backend must be texts")
        said = (*names, *texts, str(self.first_weights_licence))
        if not all(unicodedata.category(letter) != "Cc" for text in said for letter in text):
            raise ValueError("no text may hold control characters, which a terminal obeys")
        if (self.recipe.enlarge_px or 0) > _MOST_PX:
            raise ValueError(f"enlarge_px must be a number up to {_MOST_PX}")

    @property
    def said(self) -> dict[str, Any]:
        """The recipe's fields that have a meaning here."""
        unsaid = models.meaningless(self.model, self.recipe.transfer)
        return {name: one for name, one in asdict(self.recipe).items() if name not in unsaid}

    def differences(self, other: RunRecord) -> list[str]:
        """What keeps a run of `other` from going on as one of this: nothing that has no meaning."""
        mine, theirs = self.recipe.identity(), other.recipe.identity()
        unsaid = models.meaningless(self.model, self.recipe.transfer)
        return [
            name
            for name in (
                "model",
                "dataset",
                "species",
                "side_px",
                "backend",
                "first_weights_sha256",
                "portion",
            )
            if not self._agrees(other, name)
        ] + [name for name in mine if mine[name] != theirs[name] and name not in unsaid]

    def in_words(self, name: str) -> str:
        """What `differences` names, and what it is here, if that is short."""
        value = getattr(self.recipe, name, "")
        return f"{_spoken(name)} ({value})" if value not in {"", None} else _spoken(name)

    def _agrees(self, other: RunRecord, name: str) -> bool:
        key = "lock_digest" if name == "dataset" else name
        return bool(getattr(self, key) == getattr(other, key))


class Run:
    """One run folder."""

    def __init__(self, root: Path, record: RunRecord) -> None:
        self.root = root
        self.record = record

    @classmethod
    def open(cls, root: Path) -> Self:
        """Read the run at `root`, or the one that a pointer there names.

        Raises:
            RunError: there is no run, or it cannot be read.
        """
        folder = pointed_to(root)
        if folder.is_file():
            raise RunError(f"{root} is a file, and no run: {_WHY_NO_FILES}")
        path = folder / "run.json"
        if (folder / "series.json").is_file():
            raise RunError(f"{root} is a series of runs: name one of the folders in it")
        if (folder / "ensemble.json").is_file():
            raise RunError(
                f"{root} is an ensemble, which `predict` takes, and with --images `evaluate`,"
                " `compare` and `export`: here, name one of the runs in it"
            )
        if inside := sorted(one.parent.name for one in folder.glob("*/ensemble.json")):
            raise RunError(
                f"{root} is a folder of ensembles ({', '.join(inside)}): name one of them, which"
                " `predict` takes, and with --images `evaluate`, `compare` and `export`"
            )
        if not path.is_file():
            raise RunError(f"no run at {root}: make one with `bestiary train MODEL`")
        try:
            return cls(folder, RunRecord.from_json(path.read_text("utf-8")))
        except (
            *(OSError, ValueError, KeyError, TypeError, AttributeError),
            *(TrainingError, CurationError),
        ) as error:
            raise RunError(
                f"cannot read {path} ({error}): train again into another folder"
            ) from error

    @classmethod
    def begin(cls, root: Path, record: RunRecord) -> Self:
        """Make the run at `root`, or take up the one that is there if it is of the same kind.

        One that never came to its first checkpoint is no loss.

        Raises:
            RunError: another model, dataset or recipe lives there, its checkpoint is broken, or
                another process trains or measures there.
        """
        _require_free(root)
        if (root / "run.json").exists():
            found = cls.open(root)
            other = found.record.differences(record)
            if other and (found.checkpoints.exist or found.record.state == "done"):
                told = ", ".join(found.record.in_words(name) for name in other)
                raise RunError(
                    f"{root} holds a run with another {told}: choose another folder with --run, or"
                    " repeat that run's command"
                )
        elif root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise RunError(f"{root} is not a run, and not empty: choose another folder with --run")
        run = cls(root, record)
        run.checkpoints.progress()  # One that cannot be read ends here, while the run is as it was.
        run._write_record(record)
        run.write("labels.txt", run._labels())
        return run

    @contextlib.contextmanager
    def under_way(self) -> Iterator[int]:
        """Mark the run as being trained, or measured, for as long as it is.

        Yields the batch size of a process before this one that ended without a word: it was
        killed, or memory ran out where no backend could say so. 0 where there was none.

        Raises:
            RunError: another process trains it at this moment (not noticed on Windows).
        """
        mark = self.root / _MARK
        with held(self.root) as file:
            file.seek(0)
            before = file.read()
            file.truncate(0)
            file.write(str(self.record.recipe.batch_size))
            file.flush()
            try:
                yield int(before) if before.isdecimal() else 0
            finally:
                with contextlib.suppress(OSError):
                    file.truncate(0)  # Windows removes no file that is open.
                    mark.unlink()

    @property
    def checkpoints(self) -> Checkpoints:
        """What the run goes on from."""
        return Checkpoints(self.root / "checkpoint")

    @property
    def cache(self) -> Path:
        """Where decoded pictures lie, for all runs beside this one."""
        return self.root.parent / ".pictures"

    @property
    def weights_path(self) -> Path:
        """The numbers of the epoch that was chosen."""
        return self.root / "model.weights.h5"

    def write(self, name: str, text: str) -> None:
        """Write one of the run's files whole, or not at all."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_whole(self.root / name, text)
        except OSError as error:
            raise RunError(f"cannot write {self.root / name}: {error}") from error

    def write_history(self, history: History) -> None:
        """Write `history.csv`."""
        self.write("history.csv", to_csv(history))

    def finish(self, network: Any, *, epochs: int, best_epoch: int) -> None:
        """Keep the trained network, and say in `run.json` that it is there.

        Who is killed from here on was not killed by a training.
        """
        model_sha256 = self._save("model.keras", network.save, include_optimizer=False)
        self._write_record(
            replace(
                self.record,
                state="done",
                epochs=epochs,
                best_epoch=best_epoch,
                model_sha256=model_sha256,
                weights_sha256=self._save(self.weights_path.name, network.save_weights),
                calibration=None,
            )
        )
        if (self.root / _MARK).exists():
            with contextlib.suppress(OSError):
                (self.root / _MARK).write_text("", "utf-8")

    def _save(self, name: str, save: Callable[..., None], **options: bool) -> str:
        """Write a file whole, or not at all; return its SHA-256."""
        unready = self.root / f".{name}"
        try:
            save(unready, **options)
            digest = hashlib.sha256(unready.read_bytes()).hexdigest()
            unready.replace(self.root / name)
        except OSError as error:
            raise RunError(f"cannot write {self.root / name}: {error}") from error
        return digest

    def calibrate(self, calibration: Calibration | None) -> None:
        """Keep with the model what its probabilities are worth."""
        if calibration != self.record.calibration:
            self._write_record(replace(self.record, calibration=calibration))

    def load_network(self) -> Any:
        """Build the run's network from the registry and give it the trained numbers.

        Raises:
            RunError: the training is not complete, or the model file was changed since.
        """
        self.require_weights()
        network = models.find(self.record.model).build(
            side_px=self.record.side_px,
            classes=len(self.record.species),
            enlarge_px=self.record.recipe.enlarge_px,
        )
        try:
            weights.take(network, self.weights_path)
        except UNREADABLE as error:
            raise RunError(
                f"{self.weights_path} does not fit {self.record.model} as this Bestiary builds it"
                " (another version wrote it?): train again"
            ) from error
        return network

    def require_weights(self) -> None:
        """Make sure that numbers and labels are there, and those that the training wrote; fast.

        Raises:
            RunError: they are not.
        """
        path, expected = self.weights_path, self.record.weights_sha256
        if expected is None or not path.is_file():
            raise RunError(
                f"the training of {self.root} is not complete: go on with"
                f" `bestiary train {self.record.model} --dataset {self.record.dataset}"
                f" --run {self.root}` and the options that it began with"
            )
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise RunError(
                f"{path} is not the file that the training wrote: get it back, or train again"
            )
        labels = self.root / "labels.txt"
        if labels.is_file() and labels.read_text("utf-8", "replace") != self._labels():
            raise RunError(
                f"{labels} and {self.root / 'run.json'} do not name the same species in the same"
                " order, and one would be taken for another: get them back, or train again"
            )

    def _labels(self) -> str:
        return "".join(f"{name}\n" for name in self.record.species)

    def _write_record(self, record: RunRecord) -> None:
        self.write("run.json", record.to_json())
        self.record = record


def pointed_to(path: Path) -> Path:
    """The folder that a pointer file names; any other path is itself."""
    if not path.is_file():
        return path
    name = path.read_text("utf-8", errors="replace").strip()
    return path.parent / name if 0 < len(name) < 256 and "\n" not in name else path


def point_latest(root: Path) -> None:
    """Make `latest`, beside the run, name it; something else of that name is left alone."""
    pointer = root.parent / LATEST
    if pointer.exists() and not pointer.is_symlink() and pointed_to(pointer) == pointer:
        return
    unready = root.parent / f".{LATEST}-{os.getpid()}"
    try:
        unready.symlink_to(root.name, target_is_directory=True)
    except (OSError, NotImplementedError):  # Windows grants links to few.
        unready.write_text(f"{root.name}\n", "utf-8")
    with contextlib.suppress(OSError):
        unready.replace(pointer)
    unready.unlink(missing_ok=True)


def default_root(parent: Path, record: RunRecord) -> Path:
    """Where a run goes that was given no folder: on with the newest unfinished one of its
    kind, or into the next number."""
    roots = (parent / f"{record.model}-{number}" for number in itertools.count(1))
    taken = list(itertools.takewhile(Path.exists, roots))
    newest = taken[-1] if taken else None
    if newest is not None and _is_unfinished(newest, record):
        return newest
    return parent / f"{record.model}-{len(taken) + 1}"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[TextIO]:
    """Be the only one at work in a folder; yields the file there that shows it.

    Raises:
        RunError: another process is (not noticed on Windows).
    """
    with (folder / _MARK).open("a+", encoding="utf-8") as mark:
        _take_hold(mark, folder)
        yield mark


def _take_hold(mark: TextIO, root: Path) -> None:
    """Be the only one who trains there (not enforced on Windows)."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunError(
            f"another process is at work in {root}: wait until it ends, or choose another folder"
        ) from error


def _require_free(root: Path) -> None:
    """Make sure that nobody trains or measures there; it may be otherwise a moment later."""
    if not (root / _MARK).exists():
        return
    try:
        with held(root):
            pass
    except OSError as error:
        raise RunError(f"cannot write {root / _MARK}: {error}") from error


def _is_unfinished(root: Path, record: RunRecord) -> bool:
    try:
        found = Run.open(root).record
    except RunError:
        return False
    is_measured = found.state == "done" and (root / "metrics.json").is_file()
    return not is_measured and not found.differences(record)


def _spoken(name: str) -> str:
    return name.removesuffix("_sha256").replace("_", " ")
