from __future__ import annotations

import sys
from pathlib import Path

import pytest

from curation.building import building_site
from curation.errors import DatasetError


@pytest.mark.skipif(sys.platform == "win32", reason="holds are not enforced there")
def test_two_runs_do_not_build_one_dataset(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    with (
        building_site(root),
        pytest.raises(DatasetError, match="another run is building"),
        building_site(root),
    ):
        pass
    assert root.is_dir()
