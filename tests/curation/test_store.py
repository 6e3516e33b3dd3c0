"""What an earlier run saw is not looked at again, and nothing else depends on that."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from curation import reasons
from curation.curate import curate
from curation.dataset import Dataset
from curation.looking import Seen, look
from curation.protected import Bounds, Workers
from curation.recipe import CurationRecipe
from curation.seeing import Eyes
from curation.store import Store, place_of, shaping, sources
from scraper.harvest import Harvest
from tests.curation.making import (
    ALL_TRAIN,
    WORKERS,
    curated,
    encoded,
    gathered,
    jpeg,
    picture,
    tree,
)

IMAGES = [(name, jpeg(seed)) for seed, name in enumerate(["shrew", "mouse"] * 8)]


def look_and_note(digest: str, original: Path, rendered: Path, recipe: CurationRecipe) -> Seen:
    """Look as always, and leave a note beside the originals that this one was read."""
    with (original.parents[1] / "notes").open("a") as notes:
        notes.write(f"{digest}\n")
    return look(digest, original, rendered, recipe)


def look_or_end(digest: str, original: Path, rendered: Path, recipe: CurationRecipe) -> Seen:
    """Look as always, but be a decoder that some files are too much for."""
    body = original.read_bytes()
    if body.endswith(b"crash"):
        os.abort()
    while body.endswith(b"hang"):
        pass
    hog = bytearray(2**40) if body.endswith(b"hog") else b""
    return look(digest, original, rendered, recipe) if not hog else Seen(digest=digest)


def run(harvest: Path, root: Path, recipe: CurationRecipe | None = None, **options) -> Dataset:
    eyes = Eyes(count=2, workers=WORKERS, look=look_and_note)
    with Harvest.open(harvest) as opened:
        *_, last = curate(opened, root, recipe=recipe or CurationRecipe(), workers=eyes, **options)
    return last.dataset


def notes(harvest: Path) -> int:
    """How many originals were read since this was asked last."""
    file = harvest / "images/notes"
    if not file.exists():
        return 0
    read = len(file.read_text().split())
    file.unlink()
    return read


@pytest.fixture
def harvest(tmp_path) -> Path:
    return gathered(tmp_path / "harvest", IMAGES)


@pytest.fixture
def root(tmp_path, harvest) -> Path:
    """A dataset that was made once."""
    run(harvest, tmp_path / "dataset")
    assert notes(harvest) == len(IMAGES)
    return tmp_path / "dataset"


def test_a_second_run_reads_no_original_and_gives_the_same_bytes(harvest, root):
    before = tree(root.parent)
    run(harvest, root)
    assert notes(harvest) == 0
    assert tree(root.parent) == before


def test_the_originals_may_even_be_gone(harvest, root):
    before = tree(root)
    for original in (harvest / "images").glob("??/*"):
        original.unlink()
    assert run(harvest, root).verify() == ()
    assert tree(root) == before


def test_what_is_added_is_all_that_is_read(harvest, root):
    with Harvest.open(harvest) as opened:
        known = opened.count("kept")
    more = [("shrew", jpeg(100)), ("mouse", jpeg(101))]
    gathered_again(harvest, more, first=known)
    assert sum(row.kept for row in run(harvest, root).rows) == len(IMAGES) + len(more)
    assert notes(harvest) == len(more)


def gathered_again(harvest: Path, images: list[tuple[str, bytes]], *, first: int) -> None:
    from scraper.harvest import Candidate

    with Harvest.create(harvest) as opened:
        for number, (species, body) in enumerate(images, first):
            address = f"https://pictures.example/{species}/{number}"
            candidate = Candidate(image_url=address)
            opened.add([candidate], species=species, source="urls", query="", first_rank=number)
            (record,) = opened.records("pending")
            opened.keep(record, body, content_type="image/jpeg", fetched_at="2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "changes",
    [
        {"splits": (0.5, 0.25, 0.25), "seed": 9},
        {"min_likeness": 0.95, "candidate_bits": 8},
        {"min_side_px": 40},
        {"min_side_px": 80},
        {"max_pixels": 5000},
    ],
)
def test_another_split_threshold_or_limit_reads_nothing_again(harvest, root, changes):
    recipe = CurationRecipe(**changes)
    if changes.get("max_pixels") or changes.get("min_side_px") == 80:
        with pytest.raises(Exception, match=r"too (large|small)"):
            run(harvest, root, recipe)
    else:
        fresh = curated(harvest, root.with_name("fresh"), recipe).dataset
        assert run(harvest, root, recipe).rows == fresh.rows
    assert notes(harvest) == 0


def test_an_image_that_was_refused_by_its_size_is_read_when_the_limit_falls(harvest, tmp_path):
    gathered_again(harvest, [("shrew", jpeg(70, (60, 40)))], first=50)
    assert counted(run(harvest, tmp_path / "dataset")) == {"": 16, reasons.TOO_SMALL: 1}
    notes(harvest)
    relaxed = run(harvest, tmp_path / "dataset", CurationRecipe(min_side_px=30))
    assert counted(relaxed) == {"": 17}
    assert notes(harvest) == 1


def counted(dataset: Dataset) -> Counter[str]:
    return Counter(reasons.word(row.reason) for row in dataset.rows)


@pytest.mark.parametrize("changes", [{"side_px": 64}, {"fit": "crop"}, {"jpeg_quality": 80}])
def test_another_rendering_reads_all_again_and_the_old_results_go(harvest, root, changes):
    run(harvest, root, CurationRecipe(min_side_px=20, **changes))
    assert notes(harvest) == len(IMAGES)
    assert len([path for path in place_of(root).iterdir() if path.is_dir()]) == 1


def test_fresh_reads_all_again(harvest, root):
    before = tree(root.parent)
    run(harvest, root, is_fresh=True)
    assert notes(harvest) == len(IMAGES)
    assert tree(root.parent) == before


def damaged_rows(folder: Path) -> None:
    (folder / "results.sqlite").write_bytes(b"SQLite format 3\0" + b"\x5a" * 5000)


def no_rows_at_all(folder: Path) -> None:
    (folder / "results.sqlite").write_bytes(b"not a database, and not an empty one either" * 99)


def a_wrong_fact(folder: Path) -> None:
    with sqlite3.connect(folder / "results.sqlite") as rows:
        rows.execute("UPDATE seen SET facts = replace(facts, '96', '97')")
    rows.close()


def a_changed_picture(folder: Path) -> None:
    for path in (folder / "rendered").glob("*/*.jpg"):
        path.write_bytes(path.read_bytes()[:-2] + b"xx")


def a_lost_picture(folder: Path) -> None:
    next((folder / "rendered").glob("*/*.jpg")).unlink()


def a_file_in_the_way(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder.parent)
    folder.parent.write_text("in the way")


@pytest.mark.parametrize(
    "damage",
    [
        *(damaged_rows, no_rows_at_all, a_wrong_fact),
        *(a_changed_picture, a_lost_picture, a_file_in_the_way),
    ],
)
def test_a_damaged_store_costs_time_and_nothing_else(harvest, root, damage):
    before = tree(root.parent)
    (folder,) = (path for path in place_of(root).iterdir() if path.is_dir())
    damage(folder)
    assert run(harvest, root).verify() == ()
    assert notes(harvest) > 0
    after = tree(root.parent)
    after.pop(place_of(root).name, None)
    assert after == before


def test_an_interrupted_run_goes_on_where_it_stopped(harvest, tmp_path):
    eyes = Eyes(count=1, workers=WORKERS, look=look_and_note)
    with Harvest.open(harvest) as opened:
        work = curate(opened, tmp_path / "dataset", recipe=CurationRecipe(), workers=eyes)
        for _ in range(6):
            next(work)
        work.close()
    begun = notes(harvest)
    run(harvest, tmp_path / "dataset")
    assert begun >= 6
    assert notes(harvest) == len(IMAGES) - begun


def test_what_left_the_harvest_leaves_the_store(harvest, root):
    with Harvest.open(harvest) as opened:
        digests = {record.sha256 for record in opened.records("kept")}
    lone = sorted(digests)[0]
    with Store.beside(root, CurationRecipe(), otherwise=root) as store:
        assert store.seen(lone, CurationRecipe()) is not None
        store.forget_all_but(digests - {lone})
        assert store.seen(lone, CurationRecipe()) is None
        assert not store.rendered(lone).exists()


def test_what_is_kept_comes_back_as_it_was(harvest, tmp_path):
    seen = look_at(tmp_path, encoded(picture(5, (120, 90))))
    with Store(tmp_path / "store") as store:
        store.keep(seen)
        store.rendered(seen.digest).parent.mkdir(parents=True)
        (tmp_path / "rendered.jpg").rename(store.rendered(seen.digest))
        again = store.seen(seen.digest, CurationRecipe())
    assert again is not None
    for field in dataclasses.fields(seen):
        if field.name != "signature":
            assert getattr(again, field.name) == getattr(seen, field.name)
    for field in dataclasses.fields(seen.signature):
        one, other = (getattr(each.signature, field.name) for each in (again, seen))
        assert type(one) is type(other)
        assert np.array_equal(one, other)


def look_at(folder: Path, body: bytes) -> Seen:
    import hashlib

    (folder / "original").write_bytes(body)
    digest = hashlib.sha256(body).hexdigest()
    return look(digest, folder / "original", folder / "rendered.jpg", CurationRecipe())


def test_nothing_of_a_recipe_shapes_a_look_that_is_not_in_the_key():
    recipe = CurationRecipe(splits=(1.0, 0.0, 0.0), seed=3, min_likeness=0.5, side_px=64)
    assert shaping(recipe) == CurationRecipe(side_px=64)


def test_a_decoder_that_goes_down_takes_one_row_with_it(tmp_path):
    bodies = [jpeg(1), jpeg(2) + b"crash", jpeg(3) + b"hang", jpeg(4) + b"hog", jpeg(5)]
    harvest = gathered(tmp_path / "harvest", [("shrew", body) for body in bodies])
    with Workers(Bounds(seconds=2)) as workers, Harvest.open(harvest) as opened:
        eyes = Eyes(count=2, workers=workers, look=look_or_end)
        *_, last = curate(opened, tmp_path / "dataset", recipe=ALL_TRAIN, workers=eyes)
    assert counted(last.dataset) == {
        "": 2,
        reasons.CRASHED: 1,
        reasons.TOO_SLOW: 1,
        reasons.TOO_MUCH_MEMORY: 1,
    }
    again = curated(harvest, tmp_path / "dataset").dataset
    assert counted(again) == {"": 5}  # With a sound decoder: such a reason is not kept.


def test_what_a_look_runs_through_is_in_the_key_and_what_comes_after_it_is_not():
    at_work = set(sources("curation.looking"))
    assert {"curation.decode", "curation.render", "curation.signature"} <= at_work
    assert not {"curation.dataset", "curation.split", "curation.stars"} & at_work


def test_imports_for_type_checkers_alone_are_not_followed(tmp_path, monkeypatch):
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up/one.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from made_up.two import A\n"
        "else:\n    from made_up.three import B\n"
        "def late():\n    from made_up import four\n"
    )
    for name in ("__init__", "two", "three", "four"):
        (tmp_path / f"made_up/{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(sources("made_up.one")) == {"made_up.one", "made_up.three", "made_up.four"}
