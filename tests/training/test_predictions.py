from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.errors import RunError
from training.predictions import FILE_NAME, Predictions, read, to_csv

SPECIES = ('mouse, "wood"', "shrew")


def test_predictions_come_back_as_they_were_written(tmp_path: Path) -> None:
    wanted = Predictions(
        digests=("ab", "cd", "ef"),
        labels=np.array([0, 1, 1], np.int32),
        probabilities=np.array([[0.9, 0.1], [1 / 3, 2 / 3], [0.5000001, 0.4999999]], np.float32),
        patches_said=np.array([1, 1, 0], np.int32),
    )

    (tmp_path / FILE_NAME).write_text(to_csv({"val": wanted, "test": wanted}, SPECIES), "utf-8")
    found = read(tmp_path, SPECIES)

    assert list(found) == ["val", "test"]
    assert found["test"].digests == wanted.digests
    assert (found["test"].labels == wanted.labels).all()
    assert (found["test"].probabilities == wanted.probabilities).all()
    assert found["test"].patches_said is not None
    assert (found["test"].patches_said == wanted.patches_said).all()
    assert found["test"].right.tolist() == [True, True, False]


@pytest.mark.parametrize(
    "text", ["split,digest\nval,ab\n", "split\n\0", "split,species\nval,fox\n"]
)
def test_what_cannot_be_read_says_how_to_get_it_anew(tmp_path: Path, text: str) -> None:
    with pytest.raises(RunError, match="run `bestiary evaluate"):
        read(tmp_path, SPECIES)
    (tmp_path / FILE_NAME).write_text(text)

    with pytest.raises(RunError, match=r"cannot read .* run `bestiary evaluate .*` again"):
        read(tmp_path, SPECIES)
