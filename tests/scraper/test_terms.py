from __future__ import annotations

import pytest

from scraper.errors import UsageError
from scraper.terms import require_terms

LIVE = [
    "https://www.google.com",
    "https://google.com",
    "https://www.google.co.uk/",
    "http://images.google.de",
]
ELSEWHERE = ["http://127.0.0.1:8000", "https://google.example.org", "https://notgoogle.com"]


@pytest.mark.parametrize("base_url", LIVE)
def test_the_live_site_asks_whether_its_terms_are_known(base_url: str) -> None:
    with pytest.raises(UsageError) as refused:
        require_terms(base_url, accepted=())

    message = str(refused.value)
    for part in ("terms of service", "robots.txt", "photographers", "--accept-terms google"):
        assert part in message
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("base_url", LIVE)
def test_who_knows_them_may_go_on(base_url: str) -> None:
    require_terms(base_url, accepted=("google",))


@pytest.mark.parametrize("base_url", ELSEWHERE)
def test_nobody_else_asks(base_url: str) -> None:
    require_terms(base_url, accepted=())
