from __future__ import annotations

import pytest

from scraper.wording import as_typed, counted


@pytest.mark.parametrize(("number", "said"), [(0, "0 images"), (1, "1 image"), (2, "2 images")])
def test_exactly_one_takes_no_s(number: int, said: str) -> None:
    assert counted(number, "image") == said


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("pause_s must be more", "--pause must be more"),
        ("base_url must be like", "--base-url must be like"),
        ("pixels must be few", "pixels must be few"),
    ],
)
def test_parameters_are_named_as_they_are_typed(message: str, said: str) -> None:
    assert as_typed(message, {"pause": "--pause", "base_url": "--base-url"}) == said
