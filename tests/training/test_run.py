from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curation.recipe import CurationRecipe
from training.errors import RunError
from training.history import Progress
from training.recipe import TrainRecipe
from training.run import Run, RunRecord, default_root, point_latest, pointed_to

RECORD = RunRecord(
    model="cifar-vgg",
    species=("hamster", "mouse"),
    side_px=32,
    dataset="/somewhere/dataset",
    lock_digest="ab" * 32,
    curation=CurationRecipe(side_px=32),
    recipe=TrainRecipe(),
    commonest="mouse",
    versions={"keras": "3"},
)


def test_a_record_comes_back_as_it_was_written() -> None:
    assert RunRecord.from_json(RECORD.to_json()) == RECORD


def test_a_run_may_be_given_more_epochs_but_nothing_else(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "run", RECORD)
    run.checkpoints.save(Progress(step=1), model=(), optimizer=())

    Run.begin(tmp_path / "run", replace(RECORD, recipe=TrainRecipe(epochs=200, patience=0)))
    with pytest.raises(RunError, match=r"another seed \(0\): choose another folder"):
        Run.begin(tmp_path / "run", replace(RECORD, recipe=TrainRecipe(seed=1)))
    with pytest.raises(RunError, match="another first weights: choose another folder"):
        Run.begin(tmp_path / "run", replace(RECORD, first_weights_sha256="ef" * 32))
    with pytest.raises(RunError, match="another dataset: choose another folder"):
        Run.begin(tmp_path / "run", replace(RECORD, lock_digest="cd" * 32))


def test_what_only_a_backbone_gives_a_meaning_keeps_no_other_network_from_going_on() -> None:
    frozen = replace(RECORD, recipe=TrainRecipe(transfer="frozen", rate_decay=0.5))

    assert frozen.differences(RECORD) == []
    with_one = [replace(one, model="resnet50") for one in (frozen, RECORD)]
    assert with_one[1].differences(with_one[0]) == ["transfer", "rate_decay"]


def test_what_says_how_steps_are_taken_means_nothing_where_a_head_is_fitted() -> None:
    one, other = (
        replace(RECORD, model="resnet50", recipe=TrainRecipe(transfer="frozen", epochs=epochs))
        for epochs in (9, 50)
    )

    assert one.differences(other) == []
    assert not {"epochs", "mixup", "learning_rate"} & one.said.keys()
    assert one.said["transfer"] == "frozen"


def test_a_run_that_never_began_is_no_obstacle(tmp_path: Path) -> None:
    Run.begin(tmp_path / "run", RECORD)

    run = Run.begin(tmp_path / "run", replace(RECORD, recipe=TrainRecipe(seed=1)))

    assert Run.open(run.root).record.recipe.seed == 1


def test_without_a_name_the_newest_unfinished_run_of_the_kind_goes_on(tmp_path: Path) -> None:
    assert default_root(tmp_path, RECORD) == tmp_path / "cifar-vgg-1"
    Run.begin(tmp_path / "cifar-vgg-1", RECORD)
    assert default_root(tmp_path, RECORD) == tmp_path / "cifar-vgg-1"
    other = replace(RECORD, recipe=TrainRecipe(seed=1))
    assert default_root(tmp_path, other) == tmp_path / "cifar-vgg-2"
    (tmp_path / "cifar-vgg-1" / "run.json").write_text(replace(RECORD, state="done").to_json())
    assert default_root(tmp_path, RECORD) == tmp_path / "cifar-vgg-1", "it is still to be measured"
    (tmp_path / "cifar-vgg-1" / "metrics.json").write_text("{}")
    assert default_root(tmp_path, RECORD) == tmp_path / "cifar-vgg-2"


def test_latest_names_the_newest_run_and_can_be_opened(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Run.begin(tmp_path / name, RECORD)
        point_latest(tmp_path / name)

    assert Run.open(tmp_path / "latest").root.resolve() == (tmp_path / "b").resolve()
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "latest"}


def test_where_links_are_refused_latest_is_a_line_of_text(tmp_path: Path) -> None:
    Run.begin(tmp_path / "a", RECORD)
    (tmp_path / "latest").write_text("a\n")

    assert pointed_to(tmp_path / "latest") == tmp_path / "a"
    assert Run.open(tmp_path / "latest").record == RECORD


def test_something_else_of_the_name_latest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "notes.txt").write_text("mine")

    point_latest(tmp_path / "a")

    assert (tmp_path / "latest" / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "{", json.dumps({"version": 99}), '{"version": 1, "recipe": {"epochs": 0}}'],
)
def test_a_record_that_cannot_be_read_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)

    with pytest.raises(RunError, match="cannot read"):
        Run.open(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="two processes are not told apart there")
def test_two_processes_do_not_train_one_run(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "run", RECORD)

    with run.under_way() as before:
        assert before == 0
        with pytest.raises(RunError, match="another process is at work in"), run.under_way():
            pass
        run.write("run.json", replace(RECORD, state="done").to_json())
        with pytest.raises(RunError, match="another process is at work in"):
            Run.begin(run.root, RECORD)
        assert Run.open(run.root).record.state == "done"
    assert not (run.root / ".under-way").exists()


def test_a_mark_that_was_left_tells_the_batch_size(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "run", RECORD)
    (run.root / ".under-way").write_text("32")

    with run.under_way() as before:
        assert before == 32


def test_a_finished_run_is_not_overwritten_for_lack_of_its_checkpoint(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "run", RECORD)
    (run.root / "run.json").write_text(replace(RECORD, state="done").to_json())

    with pytest.raises(RunError, match="another model: choose another folder"):
        Run.begin(run.root, replace(RECORD, model="cifar-cnn"))

    assert Run.open(run.root).record.state == "done"


@pytest.mark.parametrize("body", [b"", b"PK", b"PK\x05\x06" + bytes(18)])
def test_a_checkpoint_that_cannot_be_read_is_told_and_leaves_the_run_as_it_was(
    tmp_path: Path, body: bytes
) -> None:
    run = Run.begin(tmp_path / "run", RECORD)
    run.checkpoints.save(Progress(step=1), model=(), optimizer=())
    done = replace(RECORD, state="done").to_json()
    (run.root / "run.json").write_text(done)
    (run.checkpoints.folder / "last.npz").write_bytes(body)

    with pytest.raises(RunError, match="to begin the run anew"):
        Run.begin(run.root, RECORD)

    assert (run.root / "run.json").read_text() == done


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"species": ("\x1b[31mhamster", "mouse")}, "may hold control characters"),
        ({"dataset": "\x1b]0;mine\x07"}, "may hold control characters"),
        ({"first_weights_licence": "\x1b[2J"}, "may hold control characters"),
        ({"dataset": 5}, "must be texts"),
    ],
)
def test_texts_that_a_terminal_would_obey_are_refused(
    tmp_path: Path, other: dict[str, Any], why: str
) -> None:
    (tmp_path / "run.json").write_text(replace(RECORD, **other).to_json())

    with pytest.raises(RunError, match=why):
        Run.open(tmp_path)


def test_species_in_another_order_than_the_labels_say_are_told(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, RECORD)
    run.weights_path.write_bytes(b"numbers")
    done = replace(RECORD, weights_sha256=hashlib.sha256(b"numbers").hexdigest())
    (tmp_path / "run.json").write_text(done.to_json())
    Run.open(tmp_path).require_weights()

    (tmp_path / "run.json").write_text(replace(done, species=("mouse", "hamster")).to_json())

    with pytest.raises(RunError, match="do not name the same species in the same order"):
        Run.open(tmp_path).require_weights()
