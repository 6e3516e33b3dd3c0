"""A Ray cluster gives what worker processes give, to the byte, and is bounded as they are."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation import lock
from curation.curate import Curated, curate
from curation.errors import WorkerError
from curation.protected import Bounds, GivenUp
from curation.ray_workers import RayWorkers
from curation.recipe import CurationRecipe
from curation.seeing import Calls, Eyes
from scraper.harvest import Harvest
from tests.curation.making import WORKERS
from tests.curation.test_protected import allocate, complain, crash, double, spin

HAS_RAY = importlib.util.find_spec("ray") is not None
with_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: the extra `ray`")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayWorkers]:
    with RayWorkers("local", bounds=Bounds(seconds=30, megabytes=512)) as workers:
        yield workers


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jpg")}


def made(harvest: Path, root: Path, workers: Calls) -> Curated:
    with Harvest.open(harvest) as opened:
        eyes = Eyes(count=2, workers=workers)
        *_, curated = curate(opened, root, recipe=CurationRecipe(), workers=eyes, is_fresh=True)
    assert isinstance(curated, Curated)
    return curated


@with_ray
def test_a_cluster_makes_the_same_dataset_to_the_byte(
    cluster: RayWorkers, shrews_and_mice: Path, tmp_path: Path
) -> None:
    ours = made(shrews_and_mice, tmp_path / "processes" / "dataset", WORKERS).dataset
    theirs = made(shrews_and_mice, tmp_path / "cluster" / "dataset", cluster).dataset

    assert theirs.rows == ours.rows
    assert files_of(theirs.root) == files_of(ours.root)
    assert lock.lock_path(theirs.root).read_bytes() == lock.lock_path(ours.root).read_bytes()


@with_ray
def test_what_ends_a_process_of_a_cluster_ends_one_call(cluster: RayWorkers) -> None:
    assert cluster.call(crash, "abort") == GivenUp("crashed")
    assert cluster.call(spin) == GivenUp("too slow")
    assert cluster.call(allocate, 4096) == GivenUp("too much memory")
    assert cluster.call(double, 21) == 42
    with pytest.raises(ValueError, match="complained"):
        cluster.call(complain)


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_the_error_says_how_to_get_it() -> None:
    with pytest.raises(WorkerError, match=r"pip install 'bestiary\[ray\]'"):
        RayWorkers("auto")
    assert "ray" not in sys.modules
