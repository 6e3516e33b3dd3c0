"""Memory: what decoding one large picture takes, format by format, and what curating some does.

    python benchmarks/memory.py [--side PX]

Each picture is soft noise, drawn here, and looked at by `curation.inspect` in a process of its own,
after small ones: its peak less what it had before. Formats that take an extra are left out where it
is not installed. Then `bestiary curate --workers 2` runs on four pictures each, about as large as
it takes them: the proportional set size of all its processes, read fifty times a second. On Linux.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))  # Here, `curation` is a benchmark's name.

from curation import inspect
from curation.recipe import CurationRecipe

_TICK_S = 0.02
_COPIES = 4
_LARGEST = {"webp": 5140, "jpeg 2000, transparent": 4240, "avif, transparent": 6120}
"""Sides of the largest squares that curation takes."""

Writer = Callable[[Image.Image], bytes]


def _saved(kind: str, mode: str = "RGB", **options: Any) -> Writer:
    def write(image: Image.Image) -> bytes:
        file = io.BytesIO()
        if mode == "RGBA":
            image = image.copy()
            image.putalpha(128)
        image.convert(mode).save(file, kind, **options)
        return file.getvalue()

    return write


def _deep(bits: int, mode: str = "RGB") -> Writer:
    def write(image: Image.Image) -> bytes:
        import imagecodecs

        samples = np.asarray(image.convert(mode)).astype(np.uint16) << (bits - 8)
        inks = {"colorspace": "CMYK", "outcolorspace": "CMYK"} if mode == "CMYK" else {}
        options = {"bitspersample": bits, "lossless": bits > 12, "level": 80}
        return bytes(imagecodecs.jpeg8_encode(samples, **options, **inks))

    return write


def _heic(image: Image.Image) -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return _saved("HEIF", quality=50)(image)


_SMALLER = {"quality_mode": "rates", "quality_layers": [20]}
_WRITERS: dict[str, Writer] = {
    "jpeg": _saved("JPEG", quality=70),
    "jpeg, progressive": _saved("JPEG", quality=70, progressive=True),
    "jpeg, progressive, 4:4:4": _saved("JPEG", quality=70, progressive=True, subsampling=0),
    "jpeg, progressive, four inks": _saved("JPEG", "CMYK", quality=70, progressive=True),
    "jpeg, 12 bits": _deep(12),
    "jpeg, 12 bits, four inks": _deep(12, "CMYK"),
    "jpeg, 16 bits": _deep(16),
    "jpeg, 16 bits, four inks": _deep(16, "CMYK"),
    "webp": _saved("WEBP", quality=60, method=0),
    "webp, lossless": _saved("WEBP", lossless=True, quality=0, method=0),
    "webp, transparent": _saved("WEBP", "RGBA", quality=60, method=0),
    "avif": _saved("AVIF", speed=10),
    "avif, 4:4:4": _saved("AVIF", speed=10, subsampling="4:4:4"),
    "avif, transparent": _saved("AVIF", "RGBA", speed=10),
    "heic": _heic,
    "jpeg 2000": _saved("JPEG2000", **_SMALLER),
    "jpeg 2000, transparent": _saved("JPEG2000", "RGBA", **_SMALLER),
    "jpeg 2000, tiles": _saved("JPEG2000", tile_size=(512, 512), **_SMALLER),
    "tiff": _saved("TIFF"),
    "tiff, lzw": _saved("TIFF", compression="tiff_lzw"),
    "tiff, lzw, one strip": _saved("TIFF", compression="tiff_lzw", strip_size=2**31 - 1),
    "tiff, lzw, one strip, transparent": _saved(
        "TIFF", "RGBA", compression="tiff_lzw", strip_size=2**31 - 1
    ),
    "tiff, lzw, four inks": _saved("TIFF", "CMYK", compression="tiff_lzw"),
    "png": _saved("PNG", compress_level=1),
    "png, transparent": _saved("PNG", "RGBA", compress_level=1),
    "bmp": _saved("BMP"),
    "gif": _saved("GIF", "P"),
}


def main() -> None:
    """Measure everything, and print two tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--side", type=int, default=5000)
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        _look(options.look)
        return
    print(
        "| picture | file, MB | MB | bytes a pixel | counted | CPU s |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for name, write in _WRITERS.items():
            _measure(name, write, Path(scratch) / "picture", options.side)
    print("\n| four of | side, px | peak MB of `curate` |\n|---|---|---|")
    for name, side in _LARGEST.items():
        with tempfile.TemporaryDirectory() as scratch:
            print(f"| {name} | {side} | {_curated(name, side, Path(scratch)):.0f} |", flush=True)


def _soft(side: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (70, 70, 3), np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)


def _measure(name: str, write: Writer, path: Path, side: int) -> None:
    try:
        path.write_bytes(write(_soft(side)))
    except (ImportError, KeyError):
        print(f"| {name} | not installed | | | | |", flush=True)
        return
    command = [sys.executable, __file__, "--look", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    taken, counted, cpu_s = (float(value) for value in told)
    print(
        f"| {name} | {path.stat().st_size / 1e6:.1f} | {taken / 1e6:.0f} | {taken / side**2:.1f}"
        f" | {counted / side**2:.0f} | {cpu_s:.1f} |",
        flush=True,
    )


def _look(path: Path) -> None:
    """Print the bytes that a look at a file takes, those that are counted on, and CPU seconds."""
    recipe = CurationRecipe(max_pixels=100_000_000)
    inspect.MOST_DECODER_BYTES = 10**12  # type: ignore[misc]
    for small in (_saved("JPEG"), _saved("PNG"), _saved("WEBP")):
        inspect.inspect(small(_soft(300)), recipe)
    body = path.read_bytes()
    before, began_s = _status("VmRSS"), time.process_time()
    found = inspect.inspect(body, recipe)
    cpu_s = time.process_time() - began_s
    if isinstance(found, inspect.Dropped) or found.header is None:
        raise SystemExit(f"{path}: {found}")
    print(_status("VmHWM") - before, found.header.decoder_bytes, cpu_s)


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))


def _curated(name: str, side: int, scratch: Path) -> float:
    """The most megabytes that all processes of `curate` have."""
    folder = scratch / "in/vole"
    folder.mkdir(parents=True)
    suffix = {"jpeg 2000, transparent": "jp2", "avif, transparent": "avif"}.get(name, name)
    for number in range(_COPIES):
        (folder / f"{number}.{suffix}").write_bytes(_WRITERS[name](_soft(side, number)))
    bestiary = [sys.executable, "-m", "bestiary", "--quiet"]
    gather = ["scrape", "vole", "--source", "folder", "--from", "in", "--harvest", "harvest"]
    subprocess.run([*bestiary, *gather], check=True, cwd=scratch, stdout=subprocess.DEVNULL)
    make = ["curate", "--harvest", "harvest", "--dataset", "set", "--workers", "2"]
    going = subprocess.Popen(
        [*bestiary, *make, "--splits", "1,0,0"], cwd=scratch, stdout=subprocess.DEVNULL
    )
    peak = 0
    while going.poll() is None:
        peak = max(peak, _proportional_kb(going.pid))
        time.sleep(_TICK_S)
    if going.returncode:
        raise SystemExit(f"curate ended with {going.returncode}")
    return peak / 1000


def _proportional_kb(pid: int) -> int:
    """Of a process and all that it started; what has just ended counts nothing."""
    total, pids = 0, [pid]
    for one in pids:
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            for task in Path(f"/proc/{one}/task").iterdir():
                pids.extend(map(int, (task / "children").read_text().split()))
        except (OSError, StopIteration):
            continue
    return total


if __name__ == "__main__":
    main()
