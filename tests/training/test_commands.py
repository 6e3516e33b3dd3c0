from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

from curation.dataset import Dataset
from curation.errors import CurationError, DatasetError, LockMismatchError
from curation.review import read_review
from tests.training.making import Trained, picture, run_command, shell, write_dataset
from training import predict_commands
from training import transfer as transferring
from training.conclude import conclude
from training.errors import (
    HaltedError,
    ModelMismatchError,
    OtherDataError,
    PausedError,
    PicturesError,
    PredictionError,
    RunError,
    TrainingError,
    UsageError,
    WeightsError,
)
from training.run import Run

COUNTS = {"hamster": (4, 2, 2), "mouse": (3, 1, 1)}


def test_a_dataset_to_measure_nothing_on_is_told_before_a_training(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", {"hamster": (4, 0, 0), "mouse": (3, 0, 0)})
    with pytest.raises(PicturesError, match="neither validation nor test pictures"):
        run_command(
            "train", "cifar-cnn", "--dataset", tmp_path / "dataset", "--run", tmp_path / "r"
        )
    assert not (tmp_path / "r").exists()


def test_options_that_do_nothing_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="--views belongs to --images"):
        run_command("evaluate", tmp_path, "--views", "flip")
    with pytest.raises(click.UsageError, match="--images takes the place of --dataset"):
        run_command("evaluate", tmp_path, "--images", "a.npz", "--dataset", tmp_path)


def test_settings_for_images_leave_a_command_without_images_alone(
    trained: Trained, tmp_path: Path
) -> None:
    settings = {
        "evaluate": {"views": "flip", "dataset_root": str(trained.dataset.root)},
        "compare": {"views": "flip"},
    }

    def command(*arguments: object) -> tuple[dict[str, Any], str]:
        told = [str(one) for one in arguments]
        found: tuple[dict[str, Any], str]
        found = shell.main(told, standalone_mode=False, default_map=settings)
        return found

    root = shutil.copytree(trained.root, tmp_path / "run")
    file = tmp_path / "some.npz"
    np.savez(file, images=np.zeros((3, 32, 32, 3), np.uint8), labels=np.arange(3))

    with pytest.raises(RunError, match="one and the same"):
        command("compare", root, root)
    command("evaluate", root, "--no-baseline")
    asked, _ = command("evaluate", root, "--images", file)
    with pytest.raises(click.UsageError, match="--views belongs to --images"):
        command("compare", root, root, "--views", "flip")

    assert asked["classifiers"][0]["views"] == "flip"


def _error(*arguments: object) -> TrainingError | CurationError:
    with pytest.raises((TrainingError, CurationError)) as caught:
        run_command(*arguments)
    assert "\n" not in str(caught.value)
    return caught.value


def test_models_lists_every_network_with_its_parameters() -> None:
    document, text = run_command("models")

    by_name = {row["name"]: row for row in document["models"]}
    assert by_name["scratch-224"]["parameters"] == 88_733
    assert by_name["scratch-224"]["non_trainable"] == 384
    assert "23,620,666" in text
    assert re.search(r"^resnet50 .* MIT  ", text, re.M)
    assert len(text.splitlines()) == 1 + len(by_name)


def test_train_leaves_a_complete_run(trained: Trained) -> None:
    files = {path.name for path in trained.root.iterdir()}

    assert files == {
        *("run.json", "labels.txt", "history.csv", "model.keras", "metrics.json", "report.html"),
        *("model.weights.h5", "predictions.csv", "suspects.csv", "model-card.md"),
        "checkpoint",
    }
    assert (trained.root / "labels.txt").read_text() == "hamster\nmouse\nshrew\n"
    assert len((trained.root / "history.csv").read_text().splitlines()) == 1 + 8
    assert (trained.root.parent / "latest").resolve() == trained.root.resolve()


def _figures(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict) and "interval" in value:
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [
        figure
        for part in (parts if isinstance(value, dict | list) else ())
        for figure in _figures(part)
    ]


def test_metrics_json_has_every_figure_with_n_and_interval_seed_and_lock(
    trained: Trained,
) -> None:
    metrics = json.loads((trained.root / "metrics.json").read_text())

    assert metrics == json.loads(json.dumps(trained.document["metrics"]))
    assert metrics["seed"] == 0
    assert metrics["lock_digest"] == trained.dataset.lock_digest
    assert metrics["splits"]["test"]["n"] == 14
    figures = _figures(metrics)
    assert len(figures) >= 2 * (4 + 2 + 2 * 2 + 3 * 3)
    assert all(figure.keys() >= {"value", "low", "high", "n"} for figure in figures)


def test_train_tells_accuracy_with_its_interval_and_the_baseline(trained: Trained) -> None:
    assert "test: accuracy" in trained.text
    assert "(n = 14: 95 % interval" in trained.text
    assert "Always saying hamster would be right for 42.9 %" in trained.text


def test_the_network_learnt_what_is_easy(trained: Trained) -> None:
    assert trained.document["metrics"]["splits"]["test"]["accuracy"]["value"] > 0.5


def test_evaluate_says_again_what_train_said(trained: Trained) -> None:
    (trained.root / "report.html").unlink()

    document, _ = run_command("evaluate", trained.root.parent / "latest")

    assert document["metrics"] == trained.document["metrics"]
    assert (trained.root / "report.html").exists()


def test_a_repeated_command_finds_nothing_to_do_and_changes_no_weight(trained: Trained) -> None:
    options = (
        "--run",
        trained.root,
        "--epochs",
        8,
        "--batch-size",
        8,
        "--monitor",
        "loss",
        "--preset",
        "study",
    )

    document, _ = run_command("train", "cifar-vgg", "--dataset", trained.dataset.root, *options)

    assert document["metrics"]["splits"] == trained.document["metrics"]["splits"]


def test_a_training_that_was_killed_is_told_the_next_time_and_never_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = write_dataset(tmp_path / "dataset", COUNTS)
    run = tmp_path / "run"
    command = ("train", "cifar-vgg", "--dataset", dataset.root, "--run", run, "--epochs", 1)
    _kill(command, when=(run / ".under-way").exists)

    run_command(*command, "--no-baseline")
    assert "ended without a word the last time" in capsys.readouterr().err
    run_command(*command, "--no-baseline")
    assert "without a word" not in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="two processes are not told apart there")
def test_a_run_that_is_being_measured_is_not_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = write_dataset(tmp_path / "dataset", COUNTS)
    command = ("train", "cifar-vgg", "--dataset", dataset.root, "--epochs", 1, "--no-baseline")
    told: list[str] = []

    def measure(run: Run, *others: Any, **named: Any) -> Any:
        with pytest.raises(RunError, match="another process is at work in"):
            Run.begin(run.root, run.record)
        told.append(Run.open(run.root).record.state)
        return conclude(run, *others, **named)

    monkeypatch.setattr("training.conclude.conclude", measure)
    run_command(*command, "--run", tmp_path / "run")
    assert told == ["done"]


def test_a_run_that_was_killed_while_it_was_measured_is_not_told_of_its_batches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = write_dataset(tmp_path / "dataset", COUNTS)
    run = tmp_path / "run"
    command = ("train", "cifar-vgg", "--dataset", dataset.root, "--run", run, "--epochs", 1)
    _kill(command, when=lambda: _is_trained(run))
    assert not (run / "metrics.json").exists()

    run_command(*command, "--no-baseline")
    assert "without a word" not in capsys.readouterr().err


def _kill(command: tuple[object, ...], *, when: Callable[[], bool]) -> None:
    """Start a command, and kill it at a moment before its end."""
    going = subprocess.Popen([sys.executable, "-m", "bestiary", "--quiet", *map(str, command)])
    try:
        while not when():
            assert going.poll() is None
            time.sleep(0.02)
    finally:
        going.kill()
        going.wait()


def _is_trained(run: Path) -> bool:
    record, mark = run / "run.json", run / ".under-way"
    return record.exists() and '"done"' in record.read_text() and mark.read_text() == ""


def test_a_folder_with_another_run_is_left_alone(trained: Trained) -> None:
    error = _error(
        *("train", "cifar-cnn", "--dataset", trained.dataset.root, "--run", trained.root),
        *("--batch-size", 8, "--monitor", "loss", "--preset", "study"),
    )

    assert isinstance(error, RunError)
    assert "another model: choose another folder with --run" in str(error)


def test_a_folder_with_other_things_is_left_alone(
    make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    dataset = make_dataset(COUNTS)

    error = _error("train", "cifar-vgg", "--dataset", dataset.root, "--run", tmp_path)

    assert isinstance(error, RunError)
    assert "not a run, and not empty" in str(error)


def test_an_evaluation_on_other_data_is_refused_with_exit_code_4(
    trained: Trained, make_dataset: Callable[..., Dataset]
) -> None:
    other = make_dataset(COUNTS)

    error = _error("evaluate", trained.root, "--dataset", other.root)

    assert isinstance(error, OtherDataError)
    assert error.exit_code == 4
    assert "is not the dataset that" in str(error)


def test_a_dataset_that_is_not_as_locked_is_not_trained_on(
    make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    dataset = make_dataset(COUNTS)
    dataset.path(dataset.images("val")[0]).write_bytes(b"other")

    error = _error("train", "cifar-vgg", "--dataset", dataset.root, "--run", tmp_path / "run")

    assert isinstance(error, LockMismatchError)
    assert error.exit_code == 4
    assert not (tmp_path / "run").exists()


def test_no_dataset_is_told(tmp_path: Path) -> None:
    error = _error("train", "cifar-vgg", "--dataset", tmp_path)

    assert isinstance(error, DatasetError)
    assert "no dataset at" in str(error)


def test_an_unknown_model_is_told_with_the_known_ones(tmp_path: Path) -> None:
    error = _error("train", "alexnet", "--dataset", tmp_path)

    assert isinstance(error, UsageError)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--epochs", 0, "epochs must be at least 1, not 0"),
        ("--batch-size", -4, "batch size must be at least 1, not -4"),
        ("--learning-rate", 0, "learning rate must lie between 0 and 10, and 0.001 is usual"),
        ("--patience", -1, "patience must be at least 0, not -1"),
        ("--seed", 2**32, "seed must be below 4294967296"),
        ("--weights", "imagenet", "cifar-vgg begins from random weights: leave out --weights"),
        ("--transfer", "frozen", "cifar-vgg has no backbone: leave out --transfer"),
        ("--thawed-share", 0.5, "cifar-vgg has no backbone: leave out --thawed-share"),
        ("--rate-decay", 0.5, "cifar-vgg has no backbone: leave out --rate-decay"),
    ],
)
def test_a_senseless_option_is_a_usage_error(option: str, value: object, told: str) -> None:
    error = _error("train", "cifar-vgg", option, value)

    assert isinstance(error, UsageError)
    assert str(error) == told


def test_how_steps_are_taken_cannot_be_said_where_none_is(tmp_path: Path) -> None:
    error = _error(
        *("train", "mobilenet-v2", "--dataset", tmp_path, "--weights", "none"),
        *("--transfer", "frozen", "--epochs", 50, "--mixup", 0.5, "--no-augment"),
    )

    assert isinstance(error, UsageError)
    assert "leave out --epochs, --mixup, --no-augment, or take --transfer two-phase" in str(error)


def test_a_setting_for_backbones_leaves_networks_without_one_alone(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        shell.main(
            ["train", "cifar-vgg", "--dataset", str(tmp_path)],
            standalone_mode=False,
            default_map={"train": {"transfer": "frozen"}},
        )


def test_ctrl_c_before_the_first_step_says_that_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_root: Path) -> Dataset:
        raise KeyboardInterrupt

    monkeypatch.setattr(Dataset, "open", interrupted)

    error = _error("train", "cifar-vgg", "--dataset", tmp_path)

    assert isinstance(error, HaltedError)
    assert error.exit_code == 130
    assert str(error) == (
        "interrupted: epochs that were kept are not lost; go on with the same command"
    )


@pytest.mark.parametrize("transfer", ["frozen", "two-phase"])
def test_ctrl_c_while_a_head_is_fitted_ends_a_series_there(
    make_dataset: Callable[..., Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    transfer: str,
) -> None:
    dataset = make_dataset({"hamster": (8, 4, 4), "mouse": (8, 4, 4)})
    fit_head = transferring.fit_head

    def pressed(*given: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return fit_head(*given, **options)

    monkeypatch.setattr(transferring, "fit_head", pressed)

    error = _error(
        *("train", "mobilenet-v2-035", "--dataset", dataset.root, "--weights", "none"),
        *("--transfer", transfer, "--seeds", 2, "--run", tmp_path / "series", "--no-baseline"),
    )

    assert isinstance(error, PausedError)
    assert error.exit_code == 130
    assert "stopped after epoch 1; all of it is kept" in str(error)
    assert (tmp_path / "series" / "seed-0" / "checkpoint" / "last.npz").exists()
    assert not (tmp_path / "series" / "seed-0" / "metrics.json").exists()
    assert not (tmp_path / "series" / "seed-1").exists()


@pytest.mark.parametrize("options", [(), ("--seeds", 2)])
def test_ctrl_c_later_names_the_folder_to_go_on_in(
    make_dataset: Callable[..., Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[object, ...],
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.train.train", interrupted)
    command = ("train", "cifar-cnn", "--dataset", make_dataset(COUNTS).root, *options)

    error = _error(*command, "--run", tmp_path / "some")

    assert isinstance(error, HaltedError)
    assert str(error).endswith(f"go on with the same command and --run {tmp_path / 'some'}")


def test_a_model_that_does_not_fit_the_pictures_says_both_ways_out(
    make_dataset: Callable[..., Dataset],
) -> None:
    error = _error("train", "scratch-224", "--dataset", make_dataset(COUNTS).root)

    assert isinstance(error, ModelMismatchError)
    assert "curate again with --size 224, or train with --resize" in str(error)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"mouse": (5, 2, 2)}, "the dataset holds mouse alone"),
        ({"mouse": (5, 2, 2), "shrew": (0, 1, 1)}, "no training pictures of shrew"),
    ],
)
def test_a_dataset_with_too_little_is_told(
    make_dataset: Callable[..., Dataset], counts: Any, told: str
) -> None:
    error = _error("train", "cifar-vgg", "--dataset", make_dataset(counts).root)

    assert isinstance(error, PicturesError)
    assert told in str(error)


def test_weights_that_are_no_weights_are_told(
    make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    dataset = make_dataset(COUNTS)
    (tmp_path / "weights.h5").write_bytes(b"no weights")
    run = tmp_path / "runs" / "some"
    command = ("train", "mobilenet-v2-035", "--dataset", dataset.root, "--run", run)

    missing = _error(*command, "--weights", tmp_path / "none.h5")
    broken = _error(*command, "--weights", tmp_path / "weights.h5")

    assert isinstance(missing, RunError | WeightsError)
    assert "there is no file" in str(missing)
    assert isinstance(broken, WeightsError)
    assert "does not hold the weights of mobilenet-v2-035 without its top" in str(broken)
    assert not run.parent.exists(), "a training that cannot begin leaves no folder"


def test_predict_names_a_species_for_every_image_and_a_reason_where_it_cannot(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = trained.dataset.path(trained.dataset.images("test")[0])
    bad, missing = tmp_path / "page.jpg", tmp_path / "none.jpg"
    bad.write_text("<html>")

    error = _error("predict", trained.root.parent / "latest", good, bad, missing)

    assert isinstance(error, PredictionError)
    assert error.exit_code == 1
    assert str(error) == f"2 of 3 images cannot be read, the first of them {bad}: not an image"
    first, second, third = error.document["images"]  # type: ignore[misc]
    assert first["species"] in trained.dataset.species
    assert first["probability"] == max(first["probabilities"].values())
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert second == {"image": str(bad), "error": "not an image"}
    assert third == {"image": str(missing), "error": "there is no such file"}
    told = capsys.readouterr().err
    assert f"{good}: " in told
    assert f"{bad}: cannot be read: not an image" in told


def test_predict_takes_a_folder_for_the_files_in_it(trained: Trained) -> None:
    folder = trained.dataset.root / "test" / "shrew"

    document, _ = run_command("predict", trained.root, folder)

    assert [row["image"] for row in document["images"]] == sorted(map(str, folder.iterdir()))


def test_predict_passes_over_notes_in_a_folder_but_not_a_picture_that_went_bad(
    trained: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(trained.dataset.root / "test" / "shrew", folder)
    pictures = sorted(map(str, folder.iterdir()))
    (folder / "notes.txt").write_text("seen at dusk")
    (folder / "places.csv").write_text("a,b")
    (folder / "Thumbs.db").write_bytes(b"what Windows leaves")

    document, _ = run_command("predict", trained.root, folder)

    assert [row["image"] for row in document["images"]] == pictures
    (folder / "broken.jpg").write_bytes(b"broken")
    assert "broken.jpg: not an image" in str(_error("predict", trained.root, folder))
    assert "notes.txt: not an image" in str(_error("predict", trained.root, folder / "notes.txt"))


def test_predict_fails_when_no_image_can_be_read_and_gives_every_reason(
    trained: Trained, tmp_path: Path
) -> None:
    error = _error("predict", trained.root, tmp_path / "a.jpg", tmp_path / "b.jpg")

    assert isinstance(error, PredictionError)
    assert error.exit_code == 1
    assert [row["error"] for row in error.document["images"]] == ["there is no such file"] * 2  # type: ignore[attr-defined, index]
    assert "hold no images" in str(_error("predict", trained.root, tmp_path))


def test_predict_says_of_an_address_that_is_not_asked_why(trained: Trained) -> None:
    error = _error("predict", trained.root, "ftp://example.org/a.png")

    assert isinstance(error, PredictionError)
    assert error.document["images"] == [
        {
            "image": "ftp://example.org/a.png",
            "error": "only addresses with http:// or https:// are asked",
        }
    ]


def test_a_missing_or_unfinished_run_is_told(trained: Trained, tmp_path: Path) -> None:
    half = shutil.copytree(trained.root, tmp_path / "half")
    record = json.loads((half / "run.json").read_text())
    (half / "run.json").write_text(
        json.dumps(record | {"state": "training", "weights_sha256": None})
    )

    assert "no run at" in str(_error("predict", tmp_path / "none", "a.jpg"))
    assert "is not complete: go on with" in str(_error("predict", half, "a.jpg"))


def test_a_model_file_that_was_changed_is_not_loaded(trained: Trained, tmp_path: Path) -> None:
    changed = shutil.copytree(trained.root, tmp_path / "changed")
    with (changed / "model.weights.h5").open("ab") as file:
        file.write(b"\0")

    error = _error("predict", changed, "a.jpg")

    assert isinstance(error, RunError)
    assert "not the file that the training wrote" in str(error)


def test_a_run_trained_at_another_side_predicts_at_that_side(
    make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    dataset = make_dataset(COUNTS, side_px=48)
    options = ("--resize", "--epochs", 1, "--run", tmp_path / "run", "--no-augment")

    document, _ = run_command("train", "cifar-vgg", "--dataset", dataset.root, *options)
    predicted, _ = run_command("predict", tmp_path / "run", dataset.root / "test")

    assert document["metrics"]["splits"]["test"]["n"] == len(predicted["images"]) == 3


def test_folds_are_runs_of_their_own_and_only_what_is_missing_is_done_again(
    make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    dataset = make_dataset({"hamster": (4, 2, 2), "mouse": (4, 1, 2)})
    command = ("train", "cifar-vgg", "--dataset", dataset.root, "--run", tmp_path / "folds")
    options = ("--folds", 2, "--epochs", 1, "--batch-size", 4)

    document, text = run_command(*command, *options)
    first = (tmp_path / "folds" / "fold-1" / "run.json").read_bytes()
    (tmp_path / "folds" / "fold-2" / "metrics.json").unlink()
    again, _ = run_command(*command, *options)

    summary = document["summary"]
    assert summary["pictures"]["n"] == 15
    assert [run["name"] for run in summary["runs"]] == ["fold-1", "fold-2"]
    assert again["summary"] == summary
    assert (tmp_path / "folds" / "fold-1" / "run.json").read_bytes() == first
    assert "Over all pictures: accuracy" in text
    lines = (tmp_path / "folds" / "predictions.csv").read_text().splitlines()
    assert len(lines) == 1 + 15
    assert len({line.split(",")[1] for line in lines}) == 16, "each picture is there once"
    assert "cross-validated" in (tmp_path / "folds" / "report.html").read_text()
    error = _error("train", "cifar-cnn", *command[2:], *options)
    assert "holds something else than this series" in str(error)
    fold = tmp_path / "folds" / "fold-2"
    before = json.loads((fold / "metrics.json").read_text())
    measured, _ = run_command("evaluate", fold)
    assert json.loads(json.dumps(measured["metrics"])) == before, "on its own test pictures"
    assert before["lock_digest"] == dataset.lock_digest
    assert before["portion"]["fold"] == 2
    rows = re.findall(
        r"^\| \w+ \| (\d+) \| (\d+) \| (\d+) \|$", (fold / "model-card.md").read_text(), re.M
    )
    assert sum(int(tested) for *_, tested in rows) == before["splits"]["test"]["n"], "of this fold"


def test_other_animals_are_measured_when_they_are_given(trained: Trained, tmp_path: Path) -> None:
    root = shutil.copytree(trained.root, tmp_path / "run")
    for number in range(5):
        picture("fox", number, 32).save(tmp_path / f"{number}.png")
    (tmp_path / "foxes").mkdir()
    for path in tmp_path.glob("*.png"):
        path.rename(tmp_path / "foxes" / path.name)

    document, text = run_command("evaluate", root, "--others", tmp_path / "foxes")

    others = document["metrics"]["others"]
    assert (others["n"], others["n_known"], others["others"]) == (5, 14, "foxes")
    assert 0 <= others["auroc"]["low"] <= others["auroc"]["value"] <= others["auroc"]["high"] <= 1
    assert "Of 5 pictures of other animals (foxes)" in text
    assert "AUROC" in (root / "report.html").read_text()
    assert "5 pictures of other animals" in (root / "model-card.md").read_text()


def test_a_person_s_review_can_begin_with_what_the_network_doubts(trained: Trained) -> None:
    assert read_review(trained.root / "suspects.csv") == ()


def test_a_table_that_cannot_come_to_lie_where_it_should_is_told_before_any_work(
    trained: Trained, tmp_path: Path
) -> None:
    Image.new("RGB", (40, 40), "grey").save(tmp_path / "a.png")

    error = _error("predict", trained.root, tmp_path / "a.png", "--csv", tmp_path / "no/x.csv")

    assert isinstance(error, UsageError)
    assert f"cannot write {tmp_path / 'no/x.csv'}: there is no folder" in str(error)
    long = tmp_path / ("x" * 255)
    with pytest.raises(click.ClickException, match="cannot write"):
        run_command("predict", trained.root, tmp_path / "a.png", "--csv", long)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_table_that_cannot_be_written_in_the_end_loses_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").mkdir()

    with pytest.raises(click.ClickException, match=r"cannot write .*x\.csv"):
        predict_commands._write(tmp_path / "x.csv", "a,b", otherwise="a.png: shrew 98 %")

    assert capsys.readouterr().err == "a.png: shrew 98 %\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_evaluate_says_what_it_takes_where_pictures_came_from_no_dataset(
    trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "final" / "scratch").mkdir(parents=True)
    (tmp_path / "final" / "scratch" / "ensemble.json").write_text("{}")
    copy, pictures = tmp_path / "member", tmp_path / "pictures.npz"
    shutil.copytree(trained.root, copy)
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**record, "dataset": str(pictures)}))
    pictures.write_bytes(b"")

    assert "is a folder of ensembles (scratch)" in str(_error("evaluate", tmp_path / "final"))
    with pytest.raises(click.UsageError, match="name pictures to measure on with --images"):
        run_command("evaluate", copy)


def test_an_mlflow_that_cannot_be_had_is_told_before_there_is_a_run(
    make_dataset: Callable[..., Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    dataset = make_dataset(COUNTS)

    error = _error("train", "cifar-vgg", "--dataset", dataset.root, "--run", tmp_path / "run")

    assert "MLflow is not installed" in str(error)
    assert not (tmp_path / "run").exists()
