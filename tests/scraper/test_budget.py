from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.budget import Budget, shared_file
from scraper.errors import ScraperError
from tests.fakes import JumpingClock


@pytest.fixture
def budget(tmp_path: Path) -> Budget:
    return Budget(tmp_path / "cache" / "turns.sqlite")


def test_turns_at_one_site_are_a_pause_apart(budget: Budget) -> None:
    clock = JumpingClock()

    waits = [budget.wait_turn("a", pause_s=2.0, clock=clock) for _ in range(3)]

    assert waits == pytest.approx([0.0, 2.0, 2.0])


def test_sites_do_not_wait_for_each_other(budget: Budget) -> None:
    clock = JumpingClock()

    waits = [budget.wait_turn(host, pause_s=2.0, clock=clock) for host in "abc"]

    assert waits == [0.0, 0.0, 0.0]


def test_a_turn_that_was_waited_for_otherwise_costs_nothing(budget: Budget) -> None:
    clock = JumpingClock()
    budget.wait_turn("a", pause_s=2.0, clock=clock)
    clock.sleep(5.0)

    assert budget.wait_turn("a", pause_s=2.0, clock=clock) == 0.0


def test_a_time_that_a_wrong_clock_wrote_holds_up_nobody_for_long(budget: Budget) -> None:
    ahead = JumpingClock()
    ahead.sleep(10 * 365 * 86400.0)
    budget.wait_turn("a", pause_s=2.0, clock=ahead)

    assert budget.wait_turn("a", pause_s=2.0, clock=JumpingClock()) == 0.0


@given(askers=st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 5)), max_size=12))
def test_no_two_turns_are_closer_than_the_later_ones_pause(
    tmp_path_factory: pytest.TempPathFactory, askers: list[tuple[str, float]]
) -> None:
    budget = Budget(tmp_path_factory.mktemp("turns") / "turns.sqlite")
    turns: dict[str, list[tuple[float, float]]] = {"a": [], "b": []}
    for host, pause_s in askers:
        clock = JumpingClock()  # Every asker comes at the same moment.
        wait_s = budget.wait_turn(host, pause_s=pause_s, clock=clock)
        turns[host].append((wait_s, pause_s))

    for queue in turns.values():
        for (earlier, _), (later, pause_s) in pairwise(queue):
            assert later - earlier >= pause_s - 1e-3


_ASK = """
import sys, time
from pathlib import Path
from scraper.budget import Budget, shared_file
from scraper.clock import SystemClock
for _ in range(3):
    Budget(Path(sys.argv[1])).wait_turn("a", pause_s=0.1, clock=SystemClock())
    print(time.time())
"""


def test_processes_share_one_budget(tmp_path: Path) -> None:
    """A turn is taken before it is slept for, so no two processes can have the same."""
    command = [sys.executable, "-c", _ASK, str(tmp_path / "turns.sqlite")]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in asking]

    moments = sorted(float(line) for output in outputs for line in output.split())
    assert len(moments) == 9
    assert moments[-1] - moments[0] >= 8 * 0.1 - 0.05


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ScraperError, match="cannot keep the search budget in"):
        Budget(tmp_path / "file" / "turns.sqlite").wait_turn("a", pause_s=1, clock=JumpingClock())


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "turns.sqlite"
    path.write_bytes(b"no database" * 100)

    with pytest.raises(ScraperError, match="remove that file"):
        Budget(path).wait_turn("a", pause_s=1, clock=JumpingClock())


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
