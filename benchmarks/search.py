"""The hash search: all pairs within 8 bits of up to a million 64-bit hashes, and what peers take.

    python benchmarks/search.py [--largest N] [--peers PYTHON]

Hashes are random, with 5 % planted within 8 bits of another, and skewed: perceptual hashes of
soft random pictures of few blobs, whose bits hang together as those of photos do. Where
PYTHON has faiss or imagededup, these search a small number of the same hashes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from curation.hamming import pairs_within
from curation.signature import hashed_views

_BITS = 8
_SMALL = 10_000
_AT_ONCE = 2_000
Hashes = NDArray[np.uint64]

_PEERS = {
    "faiss flat": """
import faiss
codes = hashes.view(np.uint8).reshape(-1, 8)
index = faiss.IndexBinaryFlat(64); index.add(codes); faiss.omp_set_num_threads(1)
found = (len(index.range_search(codes, 9)[1]) - len(codes)) // 2
""",
    "imagededup": """
from imagededup.methods import PHash
names = {f"{n}": f"{int(value):016x}" for n, value in enumerate(hashes[:2000])}
near = PHash(verbose=False).find_duplicates(
    encoding_map=names, max_distance_threshold=8, num_dist_workers=0)
found = sum(map(len, near.values())) // 2
""",
}


def random_hashes(count: int, rng: np.random.Generator) -> Hashes:
    """Random ones, the last 5 % of which lie within 8 bits of the first."""
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    copies = count // 20
    flips = np.zeros(copies, np.uint64)
    for _ in range(_BITS):
        flips ^= np.uint64(1) << rng.integers(0, 64, copies, dtype=np.uint64)
    hashes[-copies:] = hashes[:copies] ^ flips
    return np.unique(hashes)


def skewed_hashes(count: int, rng: np.random.Generator) -> Hashes:
    """Hashes of pictures of five by five soft blobs."""
    whole = np.tile(np.asarray([0.0, 0.0, 1.0, 1.0]), (_AT_ONCE, 1))
    rise = np.interp(np.arange(64) / 63 * 4, np.arange(5), np.arange(5))
    weights = np.clip(1 - np.abs(rise[:, None] - np.arange(5)), 0, 1)
    found = []
    for _ in range(-(-count // _AT_ONCE)):
        blobs = rng.integers(0, 256, (_AT_ONCE, 5, 5))
        soft = weights @ blobs @ weights.T
        thumbs = np.clip(soft, 0, 255).astype(np.uint8)
        found.append(hashed_views(thumbs, whole)[1][:, 0])
    return np.unique(np.concatenate(found)[:count])


def brute(hashes: Hashes) -> int:
    """Pairs within the radius, by comparing all with all."""
    return sum(
        int(np.count_nonzero(np.bitwise_count(hashes[n + 1 :] ^ hashes[n]) <= _BITS))
        for n in range(len(hashes))
    )


def ours(hashes: Hashes) -> int:
    return sum(len(first) for first, _ in pairs_within(hashes, max_bits=_BITS))


def show(name: str, hashes: Hashes, search: Callable[[Hashes], int]) -> None:
    start = time.process_time()
    found = search(hashes)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name:28} {len(hashes):9,} {found:9,} pairs {seconds:8.2f} CPU s  peak {peak} MiB")


def ask(python: str, hashes: Hashes) -> None:
    """Let each peer that there is search the hashes, in a process of its own."""
    prelude = "import json, sys, time, numpy as np\nhashes = np.array(json.load(sys.stdin), 'u8')\n"
    for name, search in _PEERS.items():
        imports = search.strip().partition("\n")[0]
        code = f"{prelude}{imports}\nstart = time.process_time()\n{search}"
        code += "\nprint(found, time.process_time() - start)"
        done = subprocess.run(
            [python, "-c", code],
            input=json.dumps(hashes.tolist()),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"{name:28} not there: {done.stderr.strip().splitlines()[-1]}")
            continue
        found, seconds = done.stdout.split()[-2:]
        count = 2000 if name == "imagededup" else len(hashes)
        print(f"{name:28} {count:9,} {int(found):9,} pairs {float(seconds):8.2f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--peers", metavar="PYTHON", help="that has faiss or imagededup")
    options = parser.parse_args()
    small = random_hashes(_SMALL, np.random.default_rng(1))
    show("numpy, all with all", small, brute)
    if options.peers:
        ask(options.peers, small)
    for count in (_SMALL, _SMALL * 10, options.largest):
        rng = np.random.default_rng(count)
        show("ours, random", random_hashes(count, rng), ours)
        show("ours, skewed", skewed_hashes(count, rng), ours)


if __name__ == "__main__":
    main()
