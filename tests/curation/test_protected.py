"""What ends a worker ends one call, and nothing else. The workers here are really ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curation.protected import Bounds, GivenUp, Workers
from tests.curation.mutation import all_outcomes, mutant

ROOT = Path(__file__).parents[2]


def double(number: int) -> int:
    return 2 * number


def crash(how: str) -> None:
    match how:
        case "abort":
            os.abort()
        case "segmentation fault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(0)


def crash_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.abort()
    return "done"


def spin() -> None:
    while True:
        pass


def allocate(megabytes: int) -> int:
    return len(bytearray(megabytes * 2**20))


def complain() -> str:
    os.write(1, b"noise\n")
    print("noise")
    os.write(2, b"libtiff: noise\n")
    raise ValueError("complained")


def process_id() -> int:
    return os.getpid()


@pytest.fixture(scope="module")
def workers():
    with Workers(Bounds(seconds=2, megabytes=256)) as workers:
        yield workers


def test_a_call_returns_what_the_function_returns(workers):
    assert workers.call(double, 21) == 42


@pytest.mark.parametrize("how", ["abort", "segmentation fault", "exit"])
def test_what_ends_the_worker_is_given_up_and_the_next_call_is_served(workers, how):
    assert workers.call(crash, how) == GivenUp("crashed")
    assert workers.call(double, 4) == 8


def test_a_crash_that_does_not_come_again_is_forgiven(workers, tmp_path):
    assert workers.call(crash_once, tmp_path / "marker") == "done"


def test_an_endless_loop_is_ended_while_others_go_on(workers):
    with ThreadPoolExecutor(2) as pool:
        endless = pool.submit(workers.call, spin)
        assert [workers.call(double, number) for number in range(50)] == list(range(0, 100, 2))
        assert endless.result() == GivenUp("too slow")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux alone")
def test_memory_is_bounded_and_the_worker_lives_on(workers):
    worker = workers.call(process_id)
    assert workers.call(allocate, 64) == 64 * 2**20
    assert workers.call(allocate, 512) == GivenUp("too much memory")
    assert workers.call(process_id) == worker


def test_what_a_function_raises_is_raised_and_what_it_prints_is_thrown_away(workers, capfd):
    with pytest.raises(ValueError, match="complained"):
        workers.call(complain)
    assert capfd.readouterr() == ("", "")


def test_what_a_worker_cannot_import_is_an_error_that_says_so(workers):
    with pytest.raises((AttributeError, ImportError, TypeError), match=r"pickle|lambda|local"):
        workers.call(lambda: 1)


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_workers_end_when_whoever_started_them_is_killed():
    program = (
        "from curation.protected import Workers\n"
        "from tests.curation.test_protected import process_id\n"
        "workers = Workers()\n"
        "print(workers.call(process_id), flush=True)\n"
        "input()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        worker = int(starter.stdout.readline())
        starter.kill()
    assert ends_soon(worker)


def test_a_program_without_a_main_guard_can_start_workers(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "print('begun')\n"
        "from curation.protected import Workers\n"
        "from tests.curation.test_protected import double\n"
        "with Workers() as workers:\n"
        "    print(workers.call(double, 3))\n"
    )
    run = [sys.executable, program]
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(run, check=True, capture_output=True, text=True, env=path)
    assert done.stdout == "begun\n6\n"


def test_closing_ends_calls_that_are_under_way():
    workers = Workers()
    workers.call(double, 1)
    thread = threading.Thread(target=workers.call, args=(spin,))
    thread.start()
    time.sleep(0.1)
    workers.close()
    thread.join(5)
    assert not thread.is_alive()


def test_a_call_that_comes_after_closing_is_given_up():
    workers = Workers()
    workers.call(double, 1)
    workers.close()
    assert workers.call(double, 2) == GivenUp("crashed")


def test_mutated_images_are_all_accounted_for():
    total = sum(all_outcomes(0, 500, 1), start=Counter())
    assert total.total() == 500
    assert {name.partition(":")[0] for name in total} <= {
        *("used", "corrupt", "truncated", "not an image", "too large", "unsupported"),
        *("too much memory", "empty file"),
    }
    assert mutant(7) == mutant(7)


def ends_soon(process: int) -> bool:
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if is_zombie(process):
            return True
        time.sleep(0.05)
    return False


def is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(") ")[1].startswith("Z")
    except OSError:
        return False
