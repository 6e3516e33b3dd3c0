"""Protected work on a Ray cluster, in place of worker processes of this machine.

The same functions are called, as `curation.protected` calls them, so the result is the same to
the byte. What they read and write are files: of several machines all must have the harvest's
and the dataset's folder under one path. The extra `ray` brings the library.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from typing import Self, TypeVar

from curation.errors import WorkerError
from curation.protected import Bounds, GivenUp, returned
from curation.worker import Answer, answered

T = TypeVar("T")


class RayWorkers:
    """Calls functions on a Ray cluster, for as many threads as call at once."""

    def __init__(self, address: str, *, bounds: Bounds | None = None) -> None:
        """Join the cluster at `address`; `local` starts one here, which the network can reach.

        Raises:
            WorkerError: Ray is not installed, or there is no cluster to be had.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise WorkerError(
                "Ray is not installed: pip install 'bestiary[ray]', or in a clone"
                " make extra EXTRA=ray"
            ) from error
        here = {"include_dashboard": False} if address == "local" else {}
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, **here)
        except Exception as error:  # Ray raises nothing narrower where a node does not start.
            raise WorkerError(f"no Ray cluster at {address}: {error}") from error
        self._ray, self._bounds = ray, bounds or Bounds()
        self._remote = ray.remote(num_cpus=1, max_retries=0)(_bounded)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._ray.shutdown()

    def call(self, function: Callable[..., T], *arguments: object) -> T | GivenUp:
        """Call a function that the cluster can import, with arguments that can be pickled.

        As with `protected.Workers`, what ends a worker is tried a second time, unless it was
        slow.

        Raises:
            Exception: what the function raises.
        """
        outcome = self._attempt(function, arguments)
        if outcome == GivenUp("crashed"):
            outcome = self._attempt(function, arguments)
        return outcome

    def _attempt(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T | GivenUp:
        call = pickle.dumps((function, arguments))
        begun = time.monotonic()
        try:
            answer: Answer = self._ray.get(
                self._remote.remote(call, self._bounds.seconds, self._bounds.megabytes)
            )
        except self._ray.exceptions.WorkerCrashedError:
            is_late = time.monotonic() - begun >= self._bounds.seconds
            return GivenUp("too slow" if is_late else "crashed")
        except self._ray.exceptions.OutOfMemoryError:
            return GivenUp("too much memory")
        if isinstance(answer[1], MemoryError):
            return GivenUp("too much memory")
        return returned(answer)  # type: ignore[return-value] # What the function returns.


def _bounded(call: bytes, seconds: int, megabytes: int) -> Answer:
    """The cluster's side of a call; its process ends where that takes too long."""
    with contextlib.suppress(Exception):  # Which `answered` tells of.
        pickle.loads(call)  # noqa: S301 - from whoever joined the cluster. To import takes time.
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
    try:
        return answered(call, megabytes)
    finally:
        if sys.platform != "win32":
            signal.alarm(0)
