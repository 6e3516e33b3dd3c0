from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.making import Trained, may_export, require_export, run_command
from training.errors import ExportError, UsageError
from training.export import FORMATS


@pytest.mark.parametrize(
    ("kind", "is_int8"),
    [
        ("saved-model", False),
        ("onnx", False),
        ("onnx", True),
        ("litert", False),
        ("litert", True),
    ],
)
def test_an_export_says_what_keras_says(
    trained: Trained, tmp_path: Path, kind: str, is_int8: bool
) -> None:
    require_export(kind)
    options = ["--int8"] if is_int8 else []

    document, text = run_command(
        "export", trained.root, "--format", kind, "--to", tmp_path, *options
    )

    keras, exported = document["exported"]
    assert exported["agreement"] >= (0.9 if is_int8 else 1.0)
    assert exported["largest_difference"] < (0.25 if is_int8 else 1e-4)
    assert (exported["n"], keras["agreement"]) == (14, 1.0)
    assert exported["bytes"] < keras["bytes"] * (1 / 3 if is_int8 else 1.1), "each weight once"
    assert (tmp_path / "labels.txt").read_text() == "hamster\nmouse\nshrew\n"
    assert "preprocessing.json" in text


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if not may_export(kind)])
def test_a_missing_library_is_told_with_what_to_install(
    trained: Trained, tmp_path: Path, kind: str
) -> None:
    with pytest.raises(ExportError, match=rf"pip install 'bestiary\[{kind}\]'"):
        run_command("export", trained.root, "--format", kind, "--to", tmp_path)


def test_a_saved_model_in_int8_is_no_thing(trained: Trained) -> None:
    arguments: tuple[Any, ...] = ("export", trained.root, "--format", "saved-model", "--int8")

    with pytest.raises(UsageError):
        run_command(*arguments)
