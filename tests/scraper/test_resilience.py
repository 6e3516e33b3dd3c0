"""What a scrape must survive: being killed, a full disk, a folder that it may not write to."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from scraper.harvest import Harvest
from tests.fakes import ImageServer, Reply, png

KILLS = int(os.environ.get("BESTIARY_KILLS", "10"))
"""How often the scrape is killed; more than CI has time for, by hand."""
IMAGES = 160
WORKERS = 4
MAIN = "from bestiary import main; main()"


def has_private_mounts() -> bool:
    """Whether a small file system can be mounted for one process alone."""
    if not (shutil.which("unshare") and shutil.which("mount")):
        return False
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/tmp"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.fixture
def server() -> Iterator[ImageServer]:
    """Images on four hosts: every seventh is dead, every eleventh is no image."""
    with ImageServer("0.0.0.0") as running:
        for number in range(IMAGES):
            body = b"<html>" if number % 11 == 5 else png(number, side_px=24)
            if number % 7 != 3:
                running.script[f"/{number}.png"] = [Reply(body=body, wait_s=0.003)]
        yield running


@pytest.fixture
def words(tmp_path: Path, server: ImageServer) -> list[str]:
    """A scrape of 40 mice and rats each from a list of 80."""
    port = server.url("").rpartition(":")[2]
    rows = [
        f"http://127.0.0.{1 + number % WORKERS}:{port}/{number}.png,{('mouse', 'rat')[number % 2]}"
        for number in range(IMAGES)
    ]
    table = tmp_path / "list.csv"
    table.write_text("\n".join(["url,species", *rows]))
    return [
        *("scrape", "--quiet", "--source", "urls", "--from", str(table), "--per-species", "40"),
        *("--allow-host", "127.0.0.0/8", "--pause", "0", "--workers", str(WORKERS)),
    ]


def scrape(words: list[str], harvest: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, *words, "--harvest", str(harvest)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=harvest.parent)


def settled(root: Path) -> list[tuple[object, ...]]:
    """Every row that is settled, as far as time has no part in it; all files are checked."""
    with Harvest.open(root) as harvest:
        records = list(harvest.records())
    digests = {record.sha256 for record in records if record.sha256}
    files = [path for path in (root / "images").rglob("*") if path.is_file()]
    assert {path.parent.name + path.name for path in files} == digests
    for path in files:
        assert sha256(path.read_bytes()).hexdigest() == path.parent.name + path.name
    named = [(record.species, record.candidate.address) for record in records]
    assert len(set(named)) == len(named)
    return [
        (record.species, record.candidate.address, record.state, record.reason, record.sha256)
        for record in records
        if record.state != "pending"
    ]


def images_asked(server: ImageServer) -> int:
    return sum(hit.path != "/robots.txt" for hit in server.hits)


def kill_at_random(words: list[str], harvest: Path, server: ImageServer, rng: Random) -> bool:
    """Start a scrape, and kill it at whatever it is doing; whether it was still at work."""
    command = [sys.executable, "-c", MAIN, *words, "--harvest", str(harvest)]
    target = len(server.hits) + rng.randrange(16)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(server.hits) < target and process.poll() is None:
        time.sleep(0.0005)
    time.sleep(rng.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    return process.wait() != 0


def test_a_scrape_that_is_killed_again_and_again_ends_like_an_undisturbed_one(
    tmp_path: Path, words: list[str], server: ImageServer
) -> None:
    assert scrape(words, tmp_path / "calm").returncode == 0
    calm = images_asked(server)
    rng, killed = Random(7), 0
    for _ in range(KILLS):
        killed += kill_at_random(words, tmp_path / "wild", server, rng)

    assert scrape(words, tmp_path / "wild").returncode == 0

    assert settled(tmp_path / "wild") == settled(tmp_path / "calm")
    assert killed >= KILLS / 2
    refetched = images_asked(server) - 2 * calm
    assert refetched <= WORKERS * killed


def test_what_a_killed_scrape_left_is_swept_at_the_next_start(
    tmp_path: Path, words: list[str]
) -> None:
    assert scrape(words, tmp_path / "h").returncode == 0
    half = next((tmp_path / "h" / "images").iterdir()) / ".unfinished-x-1"
    half.write_bytes(b"half an image")

    assert scrape(words, tmp_path / "h").returncode == 0

    assert not half.exists()


@pytest.mark.skipif(not has_private_mounts(), reason="no small disk can be mounted here")
@pytest.mark.parametrize("kilobytes", [60, 300])
def test_a_full_disk_is_said_and_nothing_is_damaged(
    tmp_path: Path, words: list[str], kilobytes: int
) -> None:
    scrape(words, tmp_path / "calm")
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size={kilobytes}k none {disk};"
        f' "$@" --harvest {disk}/h; code=$?; cp -r {disk}/h {copy}; exit $code'
    )

    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", MAIN, *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert result.stderr.startswith("Error: cannot ")
    assert "disk" in result.stderr or "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list((copy / "images").rglob(".*"))
    assert scrape(words, copy).returncode == 0
    assert settled(copy) == settled(tmp_path / "calm")


@pytest.mark.skipif(not has_private_mounts(), reason="no disk can be mounted read-only here")
@pytest.mark.parametrize("is_new", [True, False])
def test_a_folder_that_may_not_be_written_is_said(
    tmp_path: Path, words: list[str], is_new: bool
) -> None:
    if not is_new:
        scrape(words, tmp_path / "h")
    script = f'mount --bind {tmp_path} {tmp_path}; mount -o remount,ro,bind {tmp_path}; "$@"'

    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", MAIN, *words]
    result = subprocess.run(
        [*command, "--harvest", str(tmp_path / "h")], capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: cannot write a harvest at {tmp_path}/h: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_harvest_of_a_newer_bestiary_is_left_alone(tmp_path: Path, words: list[str]) -> None:
    Harvest.create(tmp_path / "h").close()
    with sqlite3.connect(tmp_path / "h" / "harvest.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "h" / "harvest.sqlite").read_bytes()

    result = scrape(words, tmp_path / "h")

    assert result.returncode == 1
    assert "has schema 99, and this Bestiary reads" in result.stderr
    assert (tmp_path / "h" / "harvest.sqlite").read_bytes() == before


def test_a_second_scrape_of_one_harvest_is_sent_away(
    tmp_path: Path, words: list[str], server: ImageServer
) -> None:
    command = [sys.executable, "-c", MAIN, *words, "--harvest", str(tmp_path / "h")]
    first = subprocess.Popen([*command, "--pause", "0.1"], stderr=subprocess.DEVNULL)
    while not server.hits and first.poll() is None:
        time.sleep(0.002)

    second = scrape(words, tmp_path / "h")

    assert second.returncode == 1
    assert second.stderr.startswith("Error: another scrape is writing to")
    assert first.wait() == 0
    assert len(settled(tmp_path / "h")) >= 80
