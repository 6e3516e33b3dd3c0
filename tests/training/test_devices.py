from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from training import backend
from training.devices import BACKENDS, EXTRAS, MEND, check


def test_every_check_is_well_where_training_works() -> None:
    rows = {row.name: row for row in check()}

    assert {backend.named(), "keras", "devices"} <= rows.keys()
    assert all(row.ok and not row.how_to_mend for row in rows.values())
    assert "backend" in rows["keras"].detail


def test_what_else_could_be_had_is_told_and_is_no_fault() -> None:
    rows = {row.name: row for row in check()}

    detail = rows["optional"].detail
    assert f"backends for KERAS_BACKEND: {', '.join(_installed())}" in detail
    assert all(name in detail for name in EXTRAS)
    assert rows["optional"].ok


def test_every_backend_has_a_way_to_see_a_card() -> None:
    assert set(MEND) == set(BACKENDS)


def test_what_is_set_for_keras_elsewhere_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    settings = {"backend": "theano", "image_data_format": "channels_first", "floatx": "float16"}
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(settings))
    code = (
        "from training import backend; backend.start(); import keras;"
        "print(keras.backend.backend(), keras.config.image_data_format(), keras.config.floatx())"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_HOME": str(tmp_path / ".keras")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [backend.named(), "channels_last", "float32"]


def _installed() -> list[str]:
    return [name for name in BACKENDS if importlib.util.find_spec(name) is not None]


def test_what_was_held_back_is_not_shown_for_a_ctrl_c(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def failing(error: type[BaseException]) -> None:
        with backend.standard_error_held():
            os.write(2, b"chatter\n")
            raise error

    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error):
            failing(error)
        assert capfd.readouterr().err == ("chatter\n" if error is ValueError else "")
