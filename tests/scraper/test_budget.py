from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scraper.budget import Budget, shared_file
from scraper.clock import Clock
from scraper.errors import ScraperError
from tests.fakes import JumpingClock


def wait_turn(budget: Budget, host: str, *, pause_s: float, clock: Clock) -> float:
    """Come again until it is our turn; return how long that took."""
    began = clock.monotonic()
    while wait_s := budget.take_turn(host, pause_s=pause_s, clock=clock):
        clock.sleep(wait_s)
    budget.note(host, clock=clock)
    return clock.monotonic() - began


@pytest.fixture
def budget(tmp_path: Path) -> Budget:
    return Budget(tmp_path / "cache" / "turns.sqlite")


def test_turns_at_one_site_are_a_pause_apart(budget: Budget) -> None:
    clock = JumpingClock()

    waits = [wait_turn(budget, "a", pause_s=2.0, clock=clock) for _ in range(3)]

    assert waits == pytest.approx([0.0, 2.0, 2.0])


def test_sites_do_not_wait_for_each_other(budget: Budget) -> None:
    clock = JumpingClock()

    waits = [wait_turn(budget, host, pause_s=2.0, clock=clock) for host in "abc"]

    assert waits == [0.0, 0.0, 0.0]


def test_a_turn_that_was_waited_for_otherwise_costs_nothing(budget: Budget) -> None:
    clock = JumpingClock()
    wait_turn(budget, "a", pause_s=2.0, clock=clock)
    clock.sleep(5.0)

    assert wait_turn(budget, "a", pause_s=2.0, clock=clock) == 0.0


def test_a_time_that_a_wrong_clock_wrote_holds_up_nobody_for_long(budget: Budget) -> None:
    ahead = JumpingClock()
    ahead.sleep(10 * 365 * 86400.0)
    wait_turn(budget, "a", pause_s=2.0, clock=ahead)

    assert wait_turn(budget, "a", pause_s=2.0, clock=JumpingClock()) == 0.0


@settings(max_examples=20)
@given(askers=st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 5)), max_size=12))
def test_no_two_turns_are_closer_than_the_later_ones_pause(
    tmp_path_factory: pytest.TempPathFactory, askers: list[tuple[str, float]]
) -> None:
    budget = Budget(tmp_path_factory.mktemp("turns") / "turns.sqlite")
    clock = JumpingClock()
    turns: dict[str, list[tuple[float, float]]] = {"a": [], "b": []}
    for host, pause_s in askers:
        wait_turn(budget, host, pause_s=pause_s, clock=clock)
        turns[host].append((clock.monotonic(), pause_s))

    for queue in turns.values():
        for (earlier, _), (later, pause_s) in pairwise(queue):
            assert later - earlier >= pause_s - 1e-3


def test_nobody_asks_while_another_waits_for_its_answer(budget: Budget) -> None:
    clock = JumpingClock()
    budget.take_turn("a", pause_s=0.2, clock=clock)
    clock.sleep(50)
    assert budget.take_turn("a", pause_s=0.2, clock=clock)
    clock.sleep(11)

    assert not budget.take_turn("a", pause_s=0.2, clock=clock)


def test_a_pause_begins_with_the_answer(budget: Budget) -> None:
    clock = JumpingClock()
    budget.take_turn("a", pause_s=2.0, clock=clock)
    clock.sleep(1.5)
    budget.note("a", clock=clock)

    assert budget.take_turn("a", pause_s=2.0, clock=clock) == pytest.approx(2.0)


_ASK = """
import sys, time
from pathlib import Path
from scraper.budget import Budget
from scraper.clock import SystemClock
budget, clock = Budget(Path(sys.argv[1])), SystemClock()
for _ in range(3):
    while wait_s := budget.take_turn("a", pause_s=0.1, clock=clock):
        time.sleep(wait_s)
    print(time.time())
    budget.note("a", clock=clock)
"""


def test_processes_share_one_budget(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _ASK, str(tmp_path / "turns.sqlite")]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in asking]

    moments = sorted(float(line) for output in outputs for line in output.split())
    assert len(moments) == 9
    assert moments[-1] - moments[0] >= 8 * 0.1 - 0.05


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ScraperError, match="cannot keep the search budget in"):
        Budget(tmp_path / "file" / "turns.sqlite").take_turn("a", pause_s=1, clock=JumpingClock())


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "turns.sqlite"
    path.write_bytes(b"no database" * 100)

    with pytest.raises(ScraperError, match="remove that file"):
        Budget(path).take_turn("a", pause_s=1, clock=JumpingClock())


def test_processes_meet_in_the_users_cache_or_else_where_they_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    instead = tmp_path / "harvest" / "turns.sqlite"
    monkeypatch.setattr(sys, "platform", "linux")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert shared_file(instead=instead).is_relative_to(tmp_path / "cache")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert shared_file(instead=instead) == instead
