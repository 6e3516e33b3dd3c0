"""What this stage raises on purpose; the type says what to do.

TrainingError              stop; the shell exits with `exit_code`
├── UsageError             the request itself is wrong (2)
├── PicturesError          the dataset holds too little to train or to measure on (1)
├── ModelMismatchError     the network does not fit the pictures (1)
├── WeightsError           pre-trained weights cannot be had, or are another network's (1)
├── RunError               the run folder cannot be used, read or written (1)
│   └── OtherDataError     the dataset is not the one that the run was trained on (4)
├── DivergedError          the loss is no longer a number (1)
├── PausedError            the user stopped the training; the same command goes on (130)
│   └── HaltedError        the same, but what was done since the last kept epoch is lost (130)
├── ExportError            a run cannot be written in another format here (1)
└── PredictionError        images could not be read (1)

What curation raises (`curation.errors`) passes through unchanged. One image that cannot be
read is a row with a reason, never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError)
"""What a damaged or hostile file of weights makes h5py and Keras raise."""


class TrainingError(Exception):
    """Base of what this stage raises on purpose.

    `document` holds what was done all the same, for scripts that read `--json`.
    """

    exit_code = 1

    def __init__(self, message: str, *, document: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.document = dict(document or {})


class UsageError(TrainingError):
    """What was asked for cannot be meant: say what to write instead."""

    exit_code = 2


class PicturesError(TrainingError):
    """The dataset holds too little to train or to measure on."""


class ModelMismatchError(TrainingError):
    """The network does not fit the pictures: their size, or their classes."""


class WeightsError(TrainingError):
    """Pre-trained weights cannot be had, or belong to another network."""


class RunError(TrainingError):
    """The run folder cannot be used, read or written."""


class OtherDataError(RunError):
    """The dataset is not the one that the run was trained on."""

    exit_code = 4


class DivergedError(TrainingError):
    """The loss is no longer a number: nothing that follows can be saved."""


class PausedError(TrainingError):
    """The user stopped the training between two checkpoints; the same command goes on."""

    exit_code = 130


class HaltedError(PausedError):
    """The user stopped the training where a step could not be kept, or outside of any."""


class ExportError(TrainingError):
    """A run cannot be written in another format here; the message says what is missing."""


class PredictionError(TrainingError):
    """Images could not be read; `document` has the reason of each, and what was predicted."""
