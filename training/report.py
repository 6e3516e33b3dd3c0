"""The run's page."""

from __future__ import annotations

from typing import Any


def write_report(run: Any, dataset: Any, evaluations: Any) -> None:
    """Write `report.html`."""
