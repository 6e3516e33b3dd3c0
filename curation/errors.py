"""What this stage raises on purpose; the type says what to do.

CurationError                stop; the shell exits with `exit_code`
├── UsageError               the request itself is wrong (2)
├── DatasetError             no dataset there, or it cannot be read or written (1)
├── EmptyHarvestError        nothing in the harvest can become a dataset (1)
├── DownloadError            a pinned file cannot be had (1)
├── SplitError               the images cannot be split as asked for (1)
├── LeakError                two splits share a picture, which was forbidden (1)
├── LockMismatchError        the data is not what the lock says (4)
├── WorkerError              no process can be started to look at images (1)
└── UnusableImageError       one image cannot be rendered, for `reason`
"""

from __future__ import annotations

from collections.abc import Mapping


class CurationError(Exception):
    """Base of what this stage raises on purpose.

    `document` holds what is known all the same, for scripts that read `--json`.
    """

    exit_code = 1

    def __init__(self, message: str, *, document: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.document = dict(document or {})


class UsageError(CurationError):
    """What was asked for cannot be meant: say what to write instead."""

    exit_code = 2


class DatasetError(CurationError):
    """There is no dataset at the path, or it cannot be read or written."""


class EmptyHarvestError(CurationError):
    """Nothing in the harvest can become a dataset: gather more, or ask for less."""


class SplitError(CurationError):
    """The images cannot be split as asked for: gather more, or ask for less."""


class LeakError(CurationError):
    """Two splits share a picture: figures measured on them would flatter."""


class DownloadError(CurationError):
    """A pinned file cannot be had: try again, or bring it from elsewhere."""


class LockMismatchError(CurationError):
    """The data is not what `datasets.lock` says; `document["differences"]` lists where."""

    exit_code = 4


class WorkerError(CurationError):
    """The processes that look at images cannot be started."""


class UnusableImageError(CurationError):
    """One image cannot be made into a picture: say so, and go on with the others."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the image cannot be used: {reason}")
        self.reason = reason
