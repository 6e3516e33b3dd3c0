"""How fast images come in, beside img2dataset, in one run on one machine.

    python benchmarks/downloads.py [--images 2000] [--only https] [--rounds 1]

The same server gives both the same JPEGs of about 110 KB: over HTTPS from 50 loopback
addresses, and over HTTP from one. Measured are the whole command, from its start to its end
(`bestiary scrape --source urls`, and `img2dataset` with two processes of 32 threads, without
re-encoding, into tar files, with SHA-256: its fastest way that we found), and our downloads
alone in a process that is warm. Ours keeps a content check, SHA-256, an fsync, an atomic
rename and a catalogue row for every image. CPU is that of the client and its children.

img2dataset is installed into a virtual environment of its own (--peer-venv keeps it).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

PEER = "img2dataset==1.47.0"
HOSTS = 50
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One thing measured."""

    what: str
    images: int
    wall_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        return self.images / self.wall_s

    def line(self) -> str:
        cpu_ms = 1000 * self.cpu_s / max(1, self.images)
        return (
            f"  {self.what:34} {self.images:6} images {self.wall_s:7.2f} s"
            f" {self.per_s:8.0f}/s {cpu_ms:7.2f} CPU-ms/image"
        )


# --- the server ------------------------------------------------------------------------


@contextlib.contextmanager
def serving(folder: Path, addresses: Sequence[str], *, is_tls: bool) -> Iterator[list[str]]:
    """The origins at which images can be had meanwhile."""
    port = _free_port(addresses[0])
    command = [sys.executable, str(HERE / "jpeg_server.py"), "--port", str(port)]
    command += [word for address in addresses for word in ("--address", address)]
    if is_tls:
        command += ["--certificate", str(_certificate(folder, addresses))]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        ready = server.stdout.readline().split()
        if not ready:
            raise SystemExit("the server did not start")
        print(f"  mean size {int(ready[1]) / 1000:.0f} KB")
        scheme = "https" if is_tls else "http"
        yield [f"{scheme}://{address}:{port}" for address in addresses]
    finally:
        server.terminate()
        server.wait()


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])


def _certificate(folder: Path, addresses: Sequence[str]) -> Path:
    """Make a certificate for the addresses, and trust.pem: the usual authorities and its own.

    Both clients read all of trust.pem, as they read the machine's own authorities elsewhere.
    """
    pem, own = folder / "server.pem", folder / "own.pem"
    names = ",".join(f"IP:{address}" for address in addresses)
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        f" -subj /CN=benchmark -addext subjectAltName={names}"
        f" -keyout {folder / 'key.pem'} -out {own} 2>/dev/null"
        f" && cat {folder / 'key.pem'} {own} > {pem}",
        shell=True,
        check=True,
    )
    usual = ssl.get_default_verify_paths().cafile
    if usual is None:
        import certifi

        usual = certifi.where()
    (folder / "trust.pem").write_bytes(own.read_bytes() + Path(usual).read_bytes())
    return pem


# --- what is measured ------------------------------------------------------------------


def ours_as_command(urls: Sequence[str], folder: Path, options: Sequence[str]) -> Run:
    table = folder / "urls.csv"
    table.write_text("url,species\n" + "".join(f"{url},mouse\n" for url in urls))
    harvest = folder / "harvest"
    command = [str(Path(sys.executable).parent / "bestiary"), "--quiet", "scrape"]
    command += ["--source", "urls", "--from", str(table), "--harvest", str(harvest)]
    command += ["--pause", "0", "--allow-host", "127.0.0.0/8", *options]
    wall_s, cpu_s = _timed(command, folder)
    kept = sum(path.is_file() for path in harvest.glob("images/*/*"))
    shutil.rmtree(harvest)
    return Run(what="bestiary scrape, whole command", images=kept, wall_s=wall_s, cpu_s=cpu_s)


def ours_when_warm(urls: Sequence[str], folder: Path, options: Sequence[str]) -> Run:
    command = [sys.executable, __file__, "--warm", str(folder / "warm"), *options]
    (folder / "urls.txt").write_text("\n".join(urls))
    done = subprocess.run(
        command, cwd=folder, env=_environment(folder), check=True, capture_output=True, text=True
    )
    images, wall_s, cpu_s = done.stdout.split()
    shutil.rmtree(folder / "warm")
    return Run(
        what="bestiary, downloads alone, warm",
        images=int(images),
        wall_s=float(wall_s),
        cpu_s=float(cpu_s),
    )


def peer(urls: Sequence[str], folder: Path, program: Path) -> Run:
    (folder / "urls.txt").write_text("\n".join(urls))
    output = folder / "peer"
    command = [str(program), "--url_list", "urls.txt", "--output_folder", str(output)]
    command += ["--processes_count", "2", "--thread_count", "32", "--resize_mode", "no"]
    command += ["--disable_all_reencoding", "True", "--output_format", "webdataset"]
    command += f"--compute_hash sha256 --number_sample_per_shard {len(urls) // 2}".split()
    wall_s, cpu_s = _timed(command, folder)
    images = 0
    for archive in output.glob("*.tar"):
        listed = subprocess.run(
            ["tar", "tf", archive], capture_output=True, text=True, check=True
        ).stdout
        images += listed.count(".jpg")
    shutil.rmtree(output)
    return Run(what=PEER, images=images, wall_s=wall_s, cpu_s=cpu_s)


def _timed(command: Sequence[str], folder: Path) -> tuple[float, float]:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    log = folder / "log.txt"
    with log.open("w") as output:
        done = subprocess.run(
            command, cwd=folder, env=_environment(folder), stdout=output, stderr=output, check=False
        )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{log.read_text()[-3000:]}")
    wall_s, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _environment(folder: Path) -> dict[str, str]:
    trust = folder / "trust.pem"
    return os.environ | ({"SSL_CERT_FILE": str(trust)} if trust.exists() else {})


def warm(root: Path, connections: int, workers: int) -> None:
    """Download everything in urls.txt into a harvest; print count, seconds, CPU seconds."""
    from scraper.addresses import AddressRule
    from scraper.clock import SystemClock
    from scraper.crawl import Crawl, CrawlPlan, Settled
    from scraper.fetch import Web
    from scraper.harvest import Harvest
    from scraper.hosts import Downloads, storing
    from scraper.policy import FetchPolicy
    from scraper.sources.urls import UrlsSource
    from scraper.species import Species

    table = root.parent / "warm.csv"
    urls = Path("urls.txt").read_text().split()
    table.write_text("url,species\n" + "".join(f"{url},mouse\n" for url in urls))
    policy = FetchPolicy(pause_s=0, connections=connections, workers=workers)
    web = Web(policy=policy, rule=AddressRule.of(["127.0.0.0/8"]), clock=SystemClock())
    source = UrlsSource(table)
    started, before = time.monotonic(), time.process_time()
    with (
        Harvest.create(root) as harvest,
        Downloads(
            storing(web.ask, harvest.store),
            policy=policy,
            clock=SystemClock(),
            rng=Random(),
            ask_rules=web.ask_rules,
        ) as downloads,
    ):
        crawl = Crawl(
            CrawlPlan(species=(Species(name="mouse"),), per_species=None),
            harvest=harvest,
            source=source,
            downloads=downloads,
            clock=SystemClock(),
        )
        kept = sum(isinstance(one, Settled) and one.state == "kept" for one in crawl.outcomes())
    print(kept, time.monotonic() - started, time.process_time() - before)


# --- the run ---------------------------------------------------------------------------


def compare(kind: str, images: int, program: Path | None) -> None:
    """Measure all of one kind, one after the other, and print the ratios."""
    is_tls = kind == "https"
    addresses = [f"127.0.1.{number}" for number in range(1, HOSTS + 1)] if is_tls else ["127.0.0.1"]
    options = ["--connections", "1" if is_tls else "8", "--workers", "16"]
    print(f"{kind}: {images} images on {len(addresses)} host(s)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder, addresses, is_tls=is_tls) as origins:
            urls = [f"{origins[number % len(origins)]}/{number}.jpg" for number in range(images)]
            runs = [ours_as_command(urls, folder, options), ours_when_warm(urls, folder, options)]
            for run in runs:
                print(run.line())
            if program is None:
                return
            theirs = peer(urls, folder, program)
            print(theirs.line())
            for run in runs:
                print(f"  {run.what}: {run.per_s / theirs.per_s:.1f} times {PEER}")


def install_peer(venv: Path) -> Path | None:
    """Where img2dataset's program is, installed if it must be; None, said aloud, if it cannot."""
    program = venv / "bin" / "img2dataset"
    if program.exists():
        return program
    uv = subprocess.run(
        [HERE.parent / "tools" / "get-uv"], capture_output=True, text=True, check=True
    ).stdout.strip()
    try:
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, venv], check=True)
        subprocess.run(
            [uv, "pip", "install", "-q", "--python", venv / "bin/python", PEER], check=True
        )
    except subprocess.CalledProcessError as error:
        print(f"{PEER} is left out: it cannot be installed ({error})")
        return None
    return program


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--only", choices=["https", "http"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peer-venv", type=Path, help="a folder to keep img2dataset in")
    parser.add_argument("--no-peer", action="store_true", help="measure ours alone")
    parser.add_argument("--warm", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--connections", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=16, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.warm:
        warm(given.warm, given.connections, given.workers)
        return
    with tempfile.TemporaryDirectory() as name:
        venv = given.peer_venv or Path(name) / "venv"
        program = None if given.no_peer else install_peer(venv)
        for _ in range(given.rounds):
            for kind in [given.only] if given.only else ["https", "http"]:
                compare(kind, given.images, program)


if __name__ == "__main__":
    main()
