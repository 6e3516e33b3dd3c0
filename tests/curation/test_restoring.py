"""A dataset is made again of its lock, its manifest and what the web still has."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from curation import lock, restoring
from curation.dataset import MANIFEST, Dataset, Row, write_manifest
from curation.errors import DatasetError, EmptyHarvestError, LockMismatchError
from curation.likeness import rendered_jpeg
from curation.recipe import CurationRecipe
from curation.restoring import Restored, addresses, locked, lost, missing, restore, write_list
from scraper.harvest import Candidate, Harvest
from tests.curation.making import ALL_TRAIN, curated, encoded, jpeg, picture, tree
from tests.curation.test_lock_commands import bestiary
from tests.fakes import ImageServer, Reply

BODIES = {
    **{f"/shrew/{n}.jpg": ("shrew", jpeg(n)) for n in range(9)},
    **{f"/mouse/{n}.jpg": ("mouse", jpeg(n)) for n in range(20, 29)},
    # A look-alike and a copy, which are dropped and need not be fetched again.
    "/mouse/small.jpg": ("mouse", encoded(picture(21).resize((84, 63)))),
    "/shrew/copy.jpg": ("shrew", jpeg(3)),
}
OFFERED = ("--allow-host", "127.0.0.0/8", "--pause", "0")


@pytest.fixture(scope="module")
def server():
    with ImageServer() as one:
        yield one


@pytest.fixture
def web(server):
    """Every picture at its address; a test may take some away."""
    server.script.clear()
    server.script |= {path: [Reply(body=body)] for path, (_, body) in BODIES.items()}
    return server


@pytest.fixture(scope="module")
def made(server, tmp_path_factory):
    """A dataset of what the server offers, gathered and curated by command."""
    folder = tmp_path_factory.mktemp("made")
    server.script |= {path: [Reply(body=body)] for path, (_, body) in BODIES.items()}
    with (folder / "list.csv").open("w", newline="") as file:
        rows = [(server.url(path), species, "CC0") for path, (species, _) in BODIES.items()]
        csv.writer(file).writerows([("url", "species", "licence"), *rows])
    bestiary("scrape", "--source", "urls", "--from", "list.csv", *OFFERED, cwd=folder)
    bestiary("curate", "--size", "64", cwd=folder)
    return folder


def entry(folder: Path, name: str = "dataset") -> str:
    return json.dumps(lock.read_entries(folder / "datasets.lock")[name])


def test_while_the_web_has_all_the_lock_comes_out_as_it_was_and_dropped_images_rest(
    made, web, tmp_path
):
    web.hits.clear()
    shutil.copy(made / "datasets.lock", tmp_path / "old.lock")
    shutil.copy(made / "dataset/manifest.parquet", tmp_path / "old.parquet")

    document = bestiary(
        *("restore", "old.lock", "--manifest", "old.parquet", "--out", "anew", *OFFERED),
        cwd=tmp_path,
    )

    assert (document["images"], document["lost"], document["is_as_locked"]) == (18, [], True)
    assert entry(tmp_path, "anew") == entry(made)
    assert bestiary("verify", "anew", "--harvest", "harvest", cwd=tmp_path, code=4)["differences"]
    assert bestiary("verify", "anew", cwd=tmp_path)["images"] == 18
    files = tree(made / "dataset")
    assert {k: v for k, v in tree(tmp_path / "anew").items() if k.endswith(".jpg")} == {
        name: digest for name, digest in files.items() if name.startswith(("train", "val", "test"))
    }
    asked = {hit.path for hit in web.hits}
    assert "/mouse/small.jpg" not in asked
    assert "/shrew/copy.jpg" not in asked or "/shrew/3.jpg" not in asked


def test_what_the_web_has_lost_is_told_row_by_row_and_the_rest_is_made(made, web, tmp_path):
    rows = {row.image_url: row for row in Dataset.open(made / "dataset").rows}
    gone, changed, refused, down = (f"/shrew/{n}.jpg" for n in (0, 1, 2, 4))
    web.script[gone] = [Reply(status=404)]
    web.script[changed] = [Reply(body=jpeg(77))]
    web.script[refused] = [Reply(body=BODIES[refused][1], headers={"X-Robots-Tag": "noai"})]
    web.script[down] = [Reply(status=403)]

    document = bestiary(
        *("restore", str(made / "dataset"), "--out", "anew", *OFFERED), cwd=tmp_path, code=4
    )

    fates = {one["url"]: one["fate"] for one in document["lost"]}
    assert fates == {
        web.url(gone): "gone",
        web.url(changed): "changed",
        web.url(refused): "refused",
        web.url(down): "gone",
    }
    assert "4 of 18 originals are lost" in document["error"]
    assert document["images"] == 14
    anew = Dataset.open(tmp_path / "anew")
    anew.require_locked()
    assert anew.lock_digest != Dataset.open(made / "dataset").lock_digest
    by_digest = {row.digest: row for row in anew.rows}
    assert by_digest[rows[web.url(gone)].digest].reason.startswith("lost: gone")
    staying = [row for row in anew.rows if row.kept]
    assert all(row.split == rows[row.image_url].split for row in staying)

    web.script |= {path: [Reply(body=BODIES[path][1])] for path in (gone, changed, refused, down)}
    again = bestiary(
        *("restore", str(made / "dataset"), "--out", "anew", *OFFERED), cwd=tmp_path, code=4
    )
    assert {one["fate"] for one in again["lost"]} <= {"changed", "refused"}


def test_a_part_never_takes_the_place_of_the_whole_that_the_lock_has(made, web, tmp_path):
    for name in ("datasets.lock", "dataset/manifest.parquet"):
        shutil.copy(made / name, tmp_path)
    before = (tmp_path / "datasets.lock").read_bytes()
    web.script["/shrew/0.jpg"] = [Reply(status=404)]
    arguments = ("restore", "datasets.lock", "--manifest", "manifest.parquet", *OFFERED)

    document = bestiary(*arguments, "--out", "dataset", cwd=tmp_path, code=4)

    assert "1 of 18 originals are lost" in document["error"]
    assert "Nothing was changed" in document["error"]
    assert [one["url"] for one in document["lost"]] == [web.url("/shrew/0.jpg")]
    assert (tmp_path / "datasets.lock").read_bytes() == before
    assert not (tmp_path / "dataset").exists()
    in_part = bestiary(*arguments, "--out", "dataset-in-part", cwd=tmp_path, code=4)
    assert in_part["images"] == 17
    assert entry(tmp_path) == entry(made)

    web.script["/shrew/0.jpg"] = [Reply(body=BODIES["/shrew/0.jpg"][1])]
    assert bestiary(*arguments, "--out", "dataset", cwd=tmp_path)["is_as_locked"]
    # Nor is a dataset that is there and whole lost to a harvest that lacks some.
    files = tree(tmp_path / "dataset")
    web.script["/shrew/0.jpg"] = [Reply(status=404)]
    bestiary(
        *("restore", "dataset", "--out", "dataset", "--harvest", "new", *OFFERED),
        cwd=tmp_path,
        code=4,
    )
    assert tree(tmp_path / "dataset") == files
    bestiary("verify", "dataset", cwd=tmp_path)


def test_originals_that_another_scrape_may_be_fetching_are_not_told_as_lost(made, web, tmp_path):
    shutil.copytree(made / "harvest", tmp_path / "harvest")
    one = next(row for row in Dataset.open(made / "dataset").rows if row.kept)
    with Harvest.open(tmp_path / "harvest") as harvest, harvest.claim():
        harvest.path(one.digest).unlink()
        document = bestiary(
            *("restore", str(made / "dataset"), "--out", "anew", *OFFERED), cwd=tmp_path, code=1
        )
    assert "another scrape is writing" in document["error"]
    assert not (tmp_path / "anew").exists()


def test_a_folder_of_others_is_refused_before_any_host_is_asked(made, web, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(jpeg(1))
    web.hits.clear()

    arguments = ("restore", str(made / "dataset"), "--out", "photos", *OFFERED)
    error = bestiary(*arguments, cwd=tmp_path, code=1)["error"]

    assert "photos is not empty and is no dataset: choose another folder" in error
    assert web.hits == []


def test_what_a_harvest_has_is_not_fetched_and_offline_it_must_be_enough(made, web, tmp_path):
    shutil.copytree(made / "harvest", tmp_path / "harvest")
    web.hits.clear()
    arguments = ("restore", str(made / "dataset"), "--out", "anew")
    assert bestiary(*arguments, *OFFERED, cwd=tmp_path)["is_as_locked"]
    assert web.hits == []
    nowhere = bestiary(*arguments, "--offline", "--harvest", "nowhere", cwd=tmp_path, code=1)
    assert "no harvest at nowhere" in nowhere["error"]


def test_what_came_from_a_folder_can_be_had_of_its_harvest_alone(tmp_path):
    with Harvest.create(tmp_path / "harvest") as harvest:
        for rank, (species, body) in enumerate(list(BODIES.values())[6:12]):
            candidate = Candidate(image_url=f"/home/me/{species}/{rank}.jpg")
            harvest.add([candidate], species=species, source="folder", query="", first_rank=rank)
            (record,) = harvest.records("pending")
            harvest.keep(record, body, content_type="", fetched_at="")
    curated(tmp_path / "harvest", tmp_path / "dataset", ALL_TRAIN)
    arguments = ("restore", "dataset", "--out", "anew")
    error = bestiary(*arguments, "--harvest", "other", cwd=tmp_path, code=1)["error"]
    assert "name the harvest that has them, with --harvest" in error


def test_the_lock_must_vouch_for_the_manifest(made, tmp_path):
    other = Dataset.open(made / "dataset")
    write_manifest(tmp_path / "m.parquet", other.rows[1:], other.recipe)
    with pytest.raises(LockMismatchError, match="take the two from one commit"):
        locked(made / "datasets.lock", tmp_path / "m.parquet")
    with pytest.raises(DatasetError, match="--manifest"):
        locked(made / "datasets.lock", None)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "../../../etc/passwd"},
        {"file": "../outside.jpg"},
        {"file": "train/shrew/other.jpg"},
        {"species": "../../outside"},
        {"split": "trial"},
    ],
)
def test_a_manifest_from_elsewhere_names_no_place_outside(tmp_path, change):
    row = Row(
        digest="0" * 64,
        species="shrew",
        split="train",
        kept=True,
        file=f"train/shrew/{'0' * 64}.jpg",
        file_sha256="1" * 64,
    )
    (tmp_path / "d").mkdir()
    write_manifest(tmp_path / "d" / MANIFEST, [replace(row, **change)], CurationRecipe())
    with pytest.raises(DatasetError, match="the manifest has"):
        locked(tmp_path / "d", None)


def test_where_pictures_come_out_otherwise_the_lock_says_so(made, tmp_path):
    wanted = locked(made / "dataset", None)
    recipe = replace(wanted.manifest.recipe, jpeg_quality=91)  # As another library might.
    other = replace(wanted, manifest=replace(wanted.manifest, recipe=recipe))
    with Harvest.open(made / "harvest") as harvest:
        *_, last = restore(other, harvest, tmp_path / "anew", gone=(), workers=2)
    assert isinstance(last, Restored)
    assert (len(last.otherwise), last.is_as_locked) == (18, False)
    last.dataset.require_locked()


def test_what_cannot_be_decoded_here_is_told_though_its_original_is_there(
    made, tmp_path, monkeypatch
):
    wanted = locked(made / "dataset", None)
    digest = next(row.digest for row in wanted.manifest.rows if row.kept)
    with Harvest.open(made / "harvest") as harvest:
        body = harvest.path(digest).read_bytes()
        monkeypatch.setattr(
            restoring,
            "rendered_jpeg",
            lambda seen, recipe: None if seen == body else rendered_jpeg(seen, recipe),
        )
        *_, last = restore(wanted, harvest, tmp_path / "anew", gone=(), workers=2)
    assert isinstance(last, Restored)
    assert [(one.digest, one.fate) for one in last.lost] == [(digest, "unreadable")]
    assert len([row for row in last.dataset.rows if row.kept]) == 17


def test_nothing_at_all_is_no_dataset(made, tmp_path):
    wanted = locked(made / "dataset", None)
    with Harvest.create(tmp_path / "harvest") as empty:
        gone = lost(missing(wanted.manifest.rows, empty), empty)
        assert {one.fate for one in gone} == {"unreachable"}
        with pytest.raises(EmptyHarvestError, match="18 unreachable"):
            list(restore(wanted, empty, tmp_path / "anew", gone=gone, workers=1))
    assert not (tmp_path / "anew").exists()


def test_an_image_is_asked_for_where_it_was_found_and_then_where_that_led(tmp_path):
    row = Row(digest="0" * 64, species="shrew", image_url="https://a.example/1")
    led = replace(row, fetched_url="https://b.example/1")
    local = replace(row, image_url="/home/me/1.jpg")
    assert addresses(led) == ["https://a.example/1", "https://b.example/1"]
    assert addresses(local) == []
    assert write_list(tmp_path / "list.csv", [row, led, local], turn=0) == 2
    assert write_list(tmp_path / "list.csv", [row, led, local], turn=1) == 1
    assert (tmp_path / "list.csv").read_text().splitlines()[1] == "https://b.example/1,shrew,,,,"
    with Harvest.create(tmp_path / "harvest") as harvest:
        (found,) = lost([local], harvest)
    assert found.fate == "no address"
