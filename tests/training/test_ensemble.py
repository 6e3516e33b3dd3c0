from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

from tests.training.making import require_export, run_command
from training import backend, ensemble, presets
from training.bare import Task, digest_of, train_bare
from training.calibration import Calibration
from training.errors import (
    ModelMismatchError,
    OtherDataError,
    PicturesError,
    RunError,
    UsageError,
)
from training.image_evaluation import evaluate_images
from training.labelled import Labelled
from training.models import find
from training.run import Run


def _labelled(count: int = 20, *, side_px: int = 32) -> Labelled:
    """Noise, brighter where it shows a wren."""
    rng = np.random.default_rng(0)
    labels = (np.arange(count) % 2).astype(np.int32)
    pixels = rng.integers(0, 100, (count, side_px, side_px, 3)) + 120 * labels[:, None, None, None]
    return Labelled(pixels=pixels.astype(np.uint8), labels=labels, species=("robin", "wren"))


def _epochs(root: Path, *, seed: int, train: Labelled | None = None) -> Iterator[Any]:
    entry = find("cifar-vgg")
    recipe = presets.recipe("study", entry, epochs=4, batch_size=10, seed=seed, monitor="none")
    task = Task(entry=entry, recipe=recipe, first_weights=None, source="drawn")
    return train_bare(
        root, task, train or _labelled(), on_step=lambda _: None, is_interrupted=lambda: False
    )


def _train(root: Path, *, seed: int, train: Labelled | None = None) -> list[Any]:
    return list(_epochs(root, seed=seed, train=train))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of two, in a folder of final models."""
    root = tmp_path_factory.mktemp("final") / "scratch"
    for seed in (0, 1):
        _train(root / f"member-{seed}", seed=seed)
    ensemble.write(root, [Run.open(root / f"member-{seed}") for seed in (0, 1)], "flip")
    return root


def _npz(path: Path, labelled: Labelled) -> Path:
    names = [labelled.species[label] for label in labelled.labels]
    np.savez(path, images=labelled.pixels, labels=names)
    return path


def test_an_ensemble_says_the_mean_of_what_its_members_say_of_each_view(folder: Path) -> None:
    pixels = _labelled().pixels
    alone = [
        ensemble.load(folder / f"member-{seed}").probabilities(view)
        for seed in (0, 1)
        for view in (pixels, pixels[:, :, ::-1])
    ]

    together = ensemble.load(folder).probabilities(pixels)

    assert together == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
    assert together.sum(axis=1) == pytest.approx(np.ones(20), abs=1e-5)


def test_a_folder_of_final_models_is_measured_model_by_model(folder: Path, tmp_path: Path) -> None:
    told: list[str] = []

    document, text = evaluate_images(
        folder.parent, _npz(tmp_path / "some.npz", _labelled()), views=None, tell=told.append
    )

    (row,) = document["classifiers"]
    assert row["classifier"] == str(folder)
    assert (row["members"], row["views"]) == (2, "flip")
    assert 0 <= row["accuracy"] <= 1
    assert row["measures"]["accuracy"]["n"] == 20
    assert "n = 20" in text
    assert "2 networks" in text
    assert re.search(r"^  robin +recognised \d+\.\d % \(n = \d+: 95 % interval", text, re.M)
    assert len(told) == 1


def test_members_that_take_pictures_made_in_other_ways_do_not_answer_together(
    folder: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(folder, tmp_path / "some")
    one = Run.open(root / "member-1")
    other = replace(one.record, curation=replace(one.record.curation, background=(0, 0, 0)))
    one.write("run.json", other.to_json())

    with pytest.raises(UsageError, match="made in another way"):
        ensemble.load(root)


def test_views_can_be_named(folder: Path, tmp_path: Path) -> None:
    file = _npz(tmp_path / "some.npz", _labelled())

    document, _ = evaluate_images(folder, file, views="one", tell=lambda _: None)

    assert document["classifiers"][0]["views"] == "one"


def test_ten_views_are_the_picture_its_mirror_image_and_four_corners() -> None:
    pixels = _labelled(2).pixels

    views = list(ensemble.seen(pixels, "shifts"))

    assert len(views) == 10
    assert (views[0] == pixels).all()
    assert (views[1] == pixels[:, :, ::-1]).all()
    assert (views[2][:, 2:, 2:] == pixels[:, :-2, :-2]).all()
    assert {view.shape for view in views} == {pixels.shape}


def test_an_ensemble_predicts_photos_as_a_run_does(folder: Path, tmp_path: Path) -> None:
    """No JPEG comes between: its training pictures, which were in a file of arrays, saw none."""
    pixels = _labelled().pixels[:3]
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, values in enumerate(pixels):
        Image.fromarray(values).save(photos / f"{number}.png")
    (tmp_path / "latest").write_text(f"{folder}\n")

    document, _ = run_command("predict", folder, photos, "--top", 2)
    pointed, _ = run_command("predict", tmp_path / "latest", photos, "--top", 2)

    said = ensemble.load(folder).probabilities(pixels)
    found = [one["probabilities"]["wren"] for one in document["images"]]
    assert found == pytest.approx(said[:, 1], abs=1e-5)
    assert pointed == document


def test_an_ensemble_of_one_looks_at_its_views_and_is_no_run(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "one"
    shutil.copytree(folder / "member-0", root / "member-0")
    run = Run.open(root / "member-0")
    run.calibrate(Calibration(temperature=9.0, n=9, unknown_below=0.1, lost=0.0))
    ensemble.write(root, [run], "flip")
    Image.fromarray(_labelled().pixels[0]).save(tmp_path / "a.png")
    shown = _labelled().pixels[:1]

    document, _ = run_command("predict", root, tmp_path / "a.png")

    assert document["run"] == str(root)
    said = ensemble.load(root, "flip").probabilities(shown)[0, 1]
    assert document["images"][0]["probabilities"]["wren"] == pytest.approx(said, abs=1e-5)
    assert said != pytest.approx(ensemble.load(root / "member-0").probabilities(shown)[0, 1])


def test_species_that_a_file_lacks_are_no_obstacle(folder: Path, tmp_path: Path) -> None:
    some = _labelled()
    wrens = Labelled(
        pixels=some.pixels[some.labels == 1],
        labels=some.labels[some.labels == 1],
        species=some.species,
    )
    _, text = evaluate_images(
        folder, _npz(tmp_path / "wrens.npz", wrens), views=None, tell=lambda _: None
    )
    assert "robin        no pictures" in text


def test_a_run_alone_is_measured_as_calibrated(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "calibrated"
    shutil.copytree(folder / "member-0", root)
    file = _npz(tmp_path / "some.npz", _labelled())
    before, text = evaluate_images(root, file, views=None, tell=lambda _: None)
    assert "; 1 network, views" in text
    Run.open(root).calibrate(Calibration(temperature=4.0, n=9, unknown_below=0.1, lost=0.0))

    after, _ = evaluate_images(root, file, views=None, tell=lambda _: None)

    (one,), (other,) = before["classifiers"], after["classifiers"]
    assert one["accuracy"] == other["accuracy"]
    assert (
        other["measures"]["reliability"]["mean_confidence"]
        < one["measures"]["reliability"]["mean_confidence"]
    )


def test_pictures_of_another_side_are_refused(folder: Path, tmp_path: Path) -> None:
    file = _npz(tmp_path / "some.npz", _labelled(4, side_px=16))

    with pytest.raises(ModelMismatchError, match="16 px, and the model takes 32 px"):
        evaluate_images(folder, file, views=None, tell=lambda _: None)


def test_a_folder_without_any_model_and_a_file_that_is_missing_are_told(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="no run and no ensemble"):
        evaluate_images(tmp_path, tmp_path / "some.npz", views=None, tell=lambda _: None)
    with pytest.raises(PicturesError, match="there is no file"):
        evaluate_images(folder, tmp_path / "some.npz", views=None, tell=lambda _: None)


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"runs": [], "views": "flip"})])
def test_an_ensemble_that_cannot_be_read_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / ensemble.FILE).write_text(text)

    with pytest.raises(RunError, match="make the ensemble anew"):
        ensemble.load(tmp_path)


def test_a_training_that_is_done_is_not_done_again_and_counts_its_cpu(folder: Path) -> None:
    epochs = _train(folder / "member-0", seed=0)

    assert epochs == []
    assert json.loads((folder / "member-0" / "cpu.json").read_text())["cpu_s"] > 0


def test_two_processes_do_not_train_one_member(tmp_path: Path) -> None:
    first = _epochs(tmp_path / "member", seed=0)
    next(first)

    with pytest.raises(RunError, match="another process is at work in"):
        _train(tmp_path / "member", seed=0)
    assert len(list(first)) == 3


def test_the_digest_of_pictures_tells_them_apart() -> None:
    backend.start()
    labelled = _labelled()

    assert digest_of(labelled) == digest_of(_labelled())
    assert digest_of(labelled) != digest_of(replace(labelled, labels=1 - labelled.labels))


@pytest.mark.parametrize("views", ensemble.VIEWS)
def test_as_one_network_an_ensemble_says_the_same(folder: Path, views: ensemble.Views) -> None:
    backend.start()
    from training.joined import joined

    pixels = _labelled(5).pixels
    classifier = ensemble.load(folder, views)

    found = joined(classifier)(pixels.astype(np.float32))

    assert np.asarray(found) == pytest.approx(classifier.probabilities(pixels), abs=1e-6)


def test_an_ensemble_is_exported_as_one_network_and_held_against_pictures(
    folder: Path, tmp_path: Path
) -> None:
    file = _npz(tmp_path / "some.npz", _labelled())
    export = ("export", folder, "--format", "saved-model", "--to", tmp_path)

    document, text = run_command(*export, "--images", file)

    keras, exported = document["exported"]
    assert exported["largest_difference"] < 1e-4
    assert (keras["path"], exported["agreement"], exported["n"]) == (str(folder), 1.0, 20)
    notes = json.loads((tmp_path / "preprocessing.json").read_text())
    assert (notes["networks"], notes["views"][:5], notes["unknown_below"]) == (2, "flip:", None)
    assert notes["weights_sha256"] == [
        Run.open(folder / f"member-{seed}").record.weights_sha256 for seed in (0, 1)
    ]
    assert "saved-model" in text
    with pytest.raises(UsageError, match="is an ensemble: export it in full precision"):
        run_command(*export)
    with pytest.raises(UsageError, match="is an ensemble, and --int8 learns from one"):
        run_command("export", folder, "--format", "onnx", "--int8")
    with pytest.raises(UsageError, match="goes without --images"):
        run_command("export", folder, "--format", "onnx", "--int8", "--images", file)
    with pytest.raises(UsageError, match="name one of them"):
        run_command(*export, "--images", file, "--dataset", tmp_path)


@pytest.mark.parametrize("kind", ["onnx", "litert"])
def test_an_ensemble_says_the_same_in_other_formats(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    require_export(kind)
    file = _npz(tmp_path / "some.npz", _labelled())

    document, _ = run_command(
        "export", folder, "--format", kind, "--to", tmp_path, "--images", file
    )

    exported = document["exported"][1]
    assert (exported["agreement"], exported["n"]) == (1.0, 20)
    assert exported["largest_difference"] < 1e-4


def test_a_calibrated_run_without_a_dataset_is_exported_as_it_predicts(
    folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "run"
    shutil.copytree(folder / "member-0", root)
    Run.open(root).calibrate(Calibration(temperature=3.0, n=9, unknown_below=0.1, lost=0.0))
    file = _npz(tmp_path / "some.npz", _labelled())

    document, _ = run_command("export", root, "--format", "saved-model", "--images", file)

    assert document["exported"][1]["largest_difference"] < 1e-4
    assert json.loads((root / "export/preprocessing.json").read_text())["unknown_below"] == 0.1


def _shown(labels: list[int]) -> Labelled:
    return replace(_labelled(), labels=np.array(labels, np.int32))


def test_ensembles_and_runs_are_compared_on_pictures_of_a_file(
    folder: Path, tmp_path: Path
) -> None:
    robin, file = tmp_path / "robin", _npz(tmp_path / "some.npz", _shown([0] * 6 + [1] * 14))
    _train(robin, seed=0, train=_shown([0] * 20))
    right = [
        ensemble.load(root, "one").probabilities(_labelled().pixels).argmax(axis=1)
        == np.array([0] * 6 + [1] * 14)
        for root in (folder, robin)
    ]
    assert (right[0] != right[1]).sum() > 5

    document, text = run_command("compare", folder, robin, "--images", file, "--views", "one")

    accuracies = [document[one]["accuracy"]["value"] for one in ("first", "second")]
    assert accuracies == pytest.approx([one.mean() for one in right])
    comparison = document["comparison"]
    assert comparison["only_first"] == (right[0] & ~right[1]).sum()
    assert comparison["only_second"] == (right[1] & ~right[0]).sum()
    assert comparison["n"] == 20
    assert "scratch" in text
    assert "robin" in text


def test_what_cannot_be_compared_is_told(folder: Path, tmp_path: Path) -> None:
    member, file = folder / "member-1", _npz(tmp_path / "some.npz", _labelled())
    pointer = folder / "pointer"
    pointer.write_text("member-1")
    other = tmp_path / "other"
    _train(other, seed=0, train=replace(_labelled(), species=("finch", "robin", "wren")))
    numbers = tmp_path / "numbers.npz"
    np.savez(numbers, images=_labelled().pixels, labels=_labelled().labels)

    for same in (member, pointer):
        with pytest.raises(RunError, match="one and the same"):
            run_command("compare", member, same, "--images", file)
    with pytest.raises(OtherDataError, match="mean other species to"):
        run_command("compare", member, other, "--images", numbers)
    with pytest.raises(RunError, match="is an ensemble"):
        run_command("compare", folder, member)
    with pytest.raises(click.UsageError, match="--views belongs to --images"):
        run_command("compare", folder, member, "--views", "flip")


def test_an_ensemble_of_one_is_exported_uncalibrated_and_says_so(
    folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "one"
    shutil.copytree(folder / "member-0", root / "member-0")
    run = Run.open(root / "member-0")
    run.calibrate(Calibration(temperature=9.0, n=9, unknown_below=0.9, lost=0.0))
    ensemble.write(root, [run], "one")
    (tmp_path / "latest").write_text("one")
    file = _npz(tmp_path / "some.npz", _labelled())

    run_command("export", tmp_path / "latest", "--format", "saved-model", "--images", file)

    notes = json.loads((root / "export/preprocessing.json").read_text())
    assert (notes["unknown_below"], notes["temperature"]) == (None, "none")
