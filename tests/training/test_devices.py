from __future__ import annotations

import importlib.util
import os

import pytest

from training import backend
from training.devices import BACKENDS, EXTRAS, check


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
