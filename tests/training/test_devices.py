from __future__ import annotations

from training import backend
from training.devices import check


def test_every_check_is_well_where_training_works() -> None:
    rows = {row.name: row for row in check()}

    assert {backend.named(), "keras", "devices"} <= rows.keys()
    assert all(row.ok and not row.how_to_mend for row in rows.values())
    assert "backend" in rows["keras"].detail
