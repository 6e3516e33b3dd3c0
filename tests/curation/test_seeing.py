"""Who looks at which picture when: what takes much memory is looked at by one alone."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from curation import reasons
from curation.looking import Seen, look, look_beside_others
from curation.recipe import CurationRecipe
from curation.seeing import Eyes, seen_by
from curation.store import Store
from curation.worker import in_turn
from tests.curation.making import encoded, picture

LARGE = (7200, 6900)
LESS_LARGE = (5000, 5000)
RECIPE = CurationRecipe(side_px=64)


class Counting:
    """Calls functions here, and counts who looks while a heavy picture is looked at."""

    def __init__(self) -> None:
        self.at_once, self.most, self.calls = 0, 0, 0
        """Of them all at this moment; while a heavy one is looked at; looks at heavy ones."""
        self._alone = 0
        self._lock = threading.Lock()

    def call(self, function: Callable[..., list[Seen]], *arguments: object) -> list[Seen]:
        is_alone = isinstance(function, partial) and function.args == (look,)
        with self._lock:
            self.at_once += 1
            self.calls += is_alone
            self._alone += is_alone
            if self._alone:
                self.most = max(self.most, self.at_once)
        result = function(*arguments)
        with self._lock:
            self.at_once -= 1
            self._alone -= is_alone
        return result


def test_heavy_pictures_are_looked_at_while_nobody_else_looks_and_all_are(tmp_path):
    bodies = [encoded(Image.new("L", LARGE, 40 * nth), "PNG") for nth in range(1, 4)]
    bodies += [encoded(picture(nth), "PNG") for nth in range(40)]
    files = {hashlib.sha256(body).hexdigest(): body for body in bodies}
    for digest, body in files.items():
        (tmp_path / digest).write_bytes(body)
    workers = Counting()
    with Store(tmp_path / "store") as store:
        found = list(
            seen_by(
                Eyes(count=3, workers=workers), sorted(files), store, RECIPE, lambda d: tmp_path / d
            )
        )
        again = [store.seen(digest, RECIPE) for digest in sorted(files)]
    assert [one.digest for one in found] == sorted(files)
    assert {one.reason for one in found} == {""}
    assert [one.file_sha256 for one in found] == [one.file_sha256 for one in again]
    assert (workers.calls, workers.most) == (3, 1)


@pytest.mark.parametrize(
    ("size", "options", "is_left"),
    [
        (LARGE, {"format": "JPEG"}, False),
        (LARGE, {"format": "JPEG", "progressive": True}, True),
        (LARGE, {"format": "PNG"}, True),
        (LESS_LARGE, {"format": "PNG"}, False),
        (LESS_LARGE, {"format": "WEBP", "method": 0}, True),
        (LESS_LARGE, {"format": "AVIF", "speed": 10}, True),
    ],
)
def test_what_is_not_shrunk_while_it_is_decoded_is_left_for_later(tmp_path, size, options, is_left):
    body = encoded(Image.new("L", size, 90), **options)
    digest = hashlib.sha256(body).hexdigest()
    (tmp_path / "original").write_bytes(body)
    places = tmp_path / "original", tmp_path / "rendered"
    left = look_beside_others(digest, *places, RECIPE)
    assert (left.reason == reasons.HEAVY) == is_left
    assert look(digest, *places, RECIPE).reason == ""
    small = encoded(picture(1), **options)
    (tmp_path / "original").write_bytes(small)
    assert look_beside_others(hashlib.sha256(small).hexdigest(), *places, RECIPE).reason == ""


def test_nothing_is_decoded_of_what_is_left_or_refused(tmp_path, monkeypatch):
    def load(self):
        raise AssertionError(self)

    monkeypatch.setattr(PngImageFile, "load", load)
    for size in ((6000, 6000), (9000, 8000)):
        body = encoded_at(tmp_path / "original", Image.new("L", size, 90))
        seen = look_beside_others(
            hashlib.sha256(body).hexdigest(), tmp_path / "original", tmp_path / "rendered", RECIPE
        )
        assert reasons.word(seen.reason) in {reasons.HEAVY, reasons.TOO_LARGE}


def encoded_at(path: Path, image: Image.Image) -> bytes:
    path.write_bytes(encoded(image, "PNG"))
    return path.read_bytes()


def test_what_cannot_be_used_is_not_left_for_later(tmp_path):
    body = encoded(Image.new("L", (9000, 8000), 90), "PNG")
    (tmp_path / "original").write_bytes(body)
    places = tmp_path / "original", tmp_path / "rendered"
    (seen,) = in_turn(
        look_beside_others, [(hashlib.sha256(body).hexdigest(), *places)], CurationRecipe()
    )
    assert reasons.word(seen.reason) == reasons.TOO_LARGE
