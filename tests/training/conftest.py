from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.dataset import Dataset
from tests.training.making import Counts, Trained, run_command, write_dataset


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Dataset]:
    def make(counts: Counts, *, name: str = "dataset", side_px: int = 32) -> Dataset:
        return write_dataset(tmp_path / name, counts, side_px=side_px)

    return make


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data, which is not part of the project; a test that wants it skips without."""
    root = Path(os.environ.get("BESTIARY_SHARED", "../shared")) / "data"
    if not root.is_dir():
        pytest.skip(f"no real data at {root}: name its folder with BESTIARY_SHARED")
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    counts = {"hamster": (24, 6, 6), "mouse": (16, 5, 5), "shrew": (8, 3, 3)}
    dataset = write_dataset(folder / "dataset", counts)
    root = folder / "runs" / "first"
    options = (
        "--run",
        root,
        "--epochs",
        8,
        "--batch-size",
        8,
        "--monitor",
        "loss",
        "--preset",
        "study",
    )
    document, text = run_command("train", "cifar-vgg", "--dataset", dataset.root, *options)
    return Trained(dataset=dataset, root=root, document=document, text=text)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pass what Keras does with the variables of its backends, which NumPy 2 deprecates."""
    theirs = (
        "ignore:__array__ implementation doesn't accept a copy keyword"
        ":DeprecationWarning:keras.src.backend"
    )
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings(theirs))
