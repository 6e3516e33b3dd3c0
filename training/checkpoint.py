"""Checkpoints: all that a training needs to go on as if it had never been stopped.

    CHECKPOINT/last.npz         every variable of model and optimizer, and the progress
    CHECKPOINT/best-0007.npz    the variables after the best epoch so far

`last.npz` is replaced in one step, after the best epoch it speaks of has its file; older
best files go afterwards. So a kill at any moment leaves a checkpoint that is whole.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import RunError
from training.history import Epoch, Progress, Tally

Arrays = list[NDArray[Any]]


class Checkpoints:
    """The checkpoint folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, progress: Progress, *, model: Iterable[Any], optimizer: Iterable[Any]) -> None:
        """Keep where a training stands, and its Keras variables."""
        groups = {"model": model, "optimizer": optimizer}
        self._write(
            "last.npz",
            {"progress": np.array(json.dumps(asdict(progress)))}
            | {
                f"{group}-{place:04}": variable.numpy()
                for group, variables in groups.items()
                for place, variable in enumerate(variables)
            },
        )

    def save_best(self, epoch: int, variables: Iterable[Any]) -> None:
        """Keep the variables after the best epoch so far."""
        arrays = {f"model-{place:04}": value.numpy() for place, value in enumerate(variables)}
        self._write(self._best(epoch).name, arrays)

    def forget_all_but(self, best_epoch: int) -> None:
        """Remove the files of epochs that are no longer the best."""
        for path in self.folder.glob("best-*.npz"):
            if path != self._best(best_epoch):
                path.unlink()

    @property
    def exist(self) -> bool:
        """Whether there is anything to go on from."""
        return (self.folder / "last.npz").exists()

    def progress(self) -> Progress:
        """Where the training stood; at its beginning where there is no checkpoint."""
        if not self.exist:
            return Progress()
        found = self._read("last.npz", "progress")
        if not found:
            raise RunError(
                f"the checkpoint {self.folder / 'last.npz'} has no progress in it: remove"
                f" {self.folder} to begin the run anew"
            )
        try:
            state = json.loads(str(found[0]))
            return Progress(
                history=tuple(Epoch(**epoch) for epoch in state["history"]),
                step=state["step"],
                tally=Tally(**state["tally"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"the checkpoint {self.folder / 'last.npz'} cannot be understood ({error!r}):"
                f" remove {self.folder} to begin the run anew"
            ) from error

    def restore(self, *, model: Sequence[Any] = (), optimizer: Sequence[Any] = ()) -> None:
        """Give the variables the values of the checkpoint."""
        for group, variables in (("model", model), ("optimizer", optimizer)):
            if variables:
                self._assign(variables, self._read("last.npz", group), "last.npz")

    def restore_best(self, epoch: int, variables: Sequence[Any]) -> None:
        """Give the variables the values that they had after the best epoch."""
        name = self._best(epoch).name
        self._assign(variables, self._read(name, "model"), name)

    def _best(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch:04}.npz"

    def _write(self, name: str, arrays: dict[str, NDArray[Any]]) -> None:
        unready = self.folder / f".{name}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with unready.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # Its stub knows no names.
                file.flush()
                os.fsync(file.fileno())
            unready.replace(self.folder / name)
        except OSError as error:
            raise RunError(f"cannot write a checkpoint in {self.folder}: {error}") from error

    def _read(self, name: str, group: str) -> Arrays:
        try:
            with (
                (self.folder / name).open("rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):
                return [arrays[key] for key in sorted(arrays.files) if key.startswith(group)]
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise RunError(
                f"the checkpoint {self.folder / name} cannot be read ({error}):"
                f" remove {self.folder} to begin the run anew"
            ) from error

    def _assign(self, variables: Sequence[Any], values: Arrays, name: str) -> None:
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != [value.shape for value in values]:
            raise RunError(
                f"the checkpoint {self.folder / name} is of another network or another Keras:"
                f" remove {self.folder} to begin the run anew"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
