from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from scraper.errors import UsageError
from scraper.standin.anatomy import SPECIES
from scraper.standin.pictures import Drawing, PictureRecipe, draw, plan, render

RECIPE = PictureRecipe(seed=3, per_species=6, duplicates=0.15, near_duplicates=0.2, max_side_px=900)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "pictures"
    paths = list(draw(root, recipe=RECIPE))
    assert sorted(paths) == sorted(path for path in root.rglob("*") if path.is_file())
    assert paths[-1] == root / "truth.csv"
    return root


@pytest.fixture(scope="module")
def truth(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def small(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    paper = Image.new("RGBA", upright.size, "white")
    return np.asarray(Image.alpha_composite(paper, upright).convert("L").resize((16, 16)), float)


def of_kind(truth: list[dict[str, str]], kind: str) -> list[dict[str, str]]:
    return [row for row in truth if row["kind"] == kind]


def test_the_same_seed_draws_the_same_bytes_with_any_number_of_workers(folder, tmp_path):
    assert list(draw(tmp_path / "again", recipe=RECIPE, workers=1))
    assert digests(tmp_path / "again") == digests(folder)


def test_another_seed_draws_other_pictures():
    one, other = (
        {render(drawing, recipe) for drawing in plan(recipe) if drawing.kind == "original"}
        for recipe in (PictureRecipe(seed=seed, per_species=1, max_side_px=500) for seed in (1, 2))
    )
    assert len(one) == len(other) == len(SPECIES)
    assert not one & other


def test_the_truth_tells_of_every_file_once_and_of_nothing_else(folder, truth):
    files = [row["file"] for row in truth]
    assert sorted([*files, "truth.csv"]) == sorted(digests(folder))
    assert all(row["file"].startswith(f"{row['species']}/") for row in truth)
    assert {row["species"] for row in truth} == set(SPECIES)


def test_there_are_as_many_of_each_kind_as_asked_for(truth):
    kinds = Counter(row["kind"] for row in truth)
    originals = kinds["original"]
    assert kinds == {
        "original": originals,
        "duplicate": round(0.15 * originals),
        "near-duplicate": round(0.2 * originals),
        "conflict": 2,
        "corrupt": 4,
        "too-small": 1,
    }


def test_the_species_are_not_equally_common():
    counts = Counter(drawing.species for drawing in plan(PictureRecipe(per_species=100)))
    assert max(counts.values()) > 1.8 * min(counts.values())


def test_duplicates_are_copies_byte_for_byte_within_their_species(folder, truth):
    for row in of_kind(truth, "duplicate"):
        assert (folder / row["file"]).read_bytes() == (folder / row["of"]).read_bytes()
        assert row["of"].startswith(f"{row['species']}/")


def test_near_duplicates_look_like_their_originals_and_are_other_files(folder, truth):
    near = of_kind(truth, "near-duplicate")
    assert near
    for row in near:
        copy, original = small(folder / row["file"]), small(folder / row["of"])
        either_way = (original, original[:, ::-1])
        assert max(np.corrcoef(copy.flat, way.flat)[0, 1] for way in either_way) > 0.85
        assert (folder / row["file"]).read_bytes() != (folder / row["of"]).read_bytes()


def test_conflicts_show_another_species_picture(folder, truth):
    rows = of_kind(truth, "conflict")
    assert all(not row["of"].startswith(f"{row['species']}/") for row in rows)
    alike = [
        np.corrcoef(small(folder / r["file"]).flat, small(folder / r["of"]).flat) for r in rows
    ]
    assert all(one[0, 1] > 0.85 for one in alike)


def test_corrupt_files_cannot_be_decoded(folder, truth):
    for row in of_kind(truth, "corrupt"):
        with (
            pytest.raises((OSError, UnidentifiedImageError)),
            Image.open(folder / row["file"]) as image,
        ):
            image.load()


def test_corrupt_files_are_broken_in_four_ways():
    recipe = PictureRecipe(per_species=1, duplicates=0, near_duplicates=0, conflicts=0, corrupt=4)
    bodies = [render(drawing, recipe) for drawing in plan(recipe) if drawing.kind == "corrupt"]
    assert b"" in bodies
    assert sum(body.startswith(b"\xff\xd8") for body in bodies) == 2
    assert sum(body.startswith(b"<!doctype html>") for body in bodies) == 1


def test_all_other_files_open_whole_and_their_sizes_are_in_range(folder, truth):
    for row in truth:
        if row["kind"] == "corrupt":
            continue
        with Image.open(folder / row["file"]) as image:
            image.load()
            shorter, longer = sorted(image.size)
        if row["kind"] == "too-small":
            assert longer < 64
        else:
            assert shorter >= 240
            assert longer <= 1.5 * RECIPE.max_side_px
        if row["kind"] == "original":
            assert shorter >= RECIPE.min_side_px
            assert longer <= min(2 * shorter, RECIPE.max_side_px)


def test_a_larger_set_has_all_formats_and_sizes_of_the_web():
    recipe = PictureRecipe(per_species=100)
    originals = [drawing for drawing in plan(recipe) if drawing.kind == "original"]
    suffixes = Counter(Path(drawing.name).suffix for drawing in originals)
    assert set(suffixes) == {".jpg", ".png", ".webp", ".gif"}
    assert suffixes[".jpg"] > 0.6 * len(originals)


def test_some_photos_carry_an_orientation_and_stand_upright_with_it():
    recipe = PictureRecipe(per_species=30, max_side_px=520)
    orientations = Counter()
    for drawing in plan(recipe):
        if drawing.kind == "original" and drawing.name.endswith(".jpg"):
            with Image.open(io.BytesIO(render(drawing, recipe))) as image:
                orientations[image.getexif().get(0x0112, 1)] += 1
    assert set(orientations) == {1, 3, 6, 8}
    assert orientations[1] > 0.7 * orientations.total()


def test_a_copy_is_of_an_original_that_is_there():
    drawings = plan(PictureRecipe(per_species=20))
    files = {drawing.file for drawing in drawings}
    copies = [drawing for drawing in drawings if drawing.of]
    assert all(isinstance(copy.of, Drawing) and copy.of.file in files for copy in copies)
    assert all(copy.of is not None and copy.of.kind == "original" for copy in copies)
    assert len({copy.of.file for copy in copies if copy.of}) == len(copies)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="is not empty: name a new folder"):
        next(draw(tmp_path, recipe=RECIPE))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot draw into"):
        next(draw(tmp_path / "file" / "below", recipe=RECIPE))


def test_stopping_halfway_leaves_no_truth_and_no_half_file(tmp_path):
    drawing = draw(tmp_path, recipe=RECIPE, workers=2)
    first = next(drawing)
    drawing.close()
    assert first.is_file()
    assert not (tmp_path / "truth.csv").exists()
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per_species": 0}, "--per-species must be at least 1, not 0"),
        ({"duplicates": -1}, "must not be negative"),
        ({"corrupt": -1}, "must not be negative"),
        ({"min_side_px": 400, "max_side_px": 500}, "factor of 2"),
    ],
)
def test_a_senseless_recipe_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        PictureRecipe(**changes)
