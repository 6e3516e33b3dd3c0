from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training import tiny
from training import backend
from training.checkpoint import Checkpoints
from training.errors import DivergedError, PausedError, RunError, TrainingError
from training.history import Progress
from training.recipe import TrainRecipe, Transfer


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Checkpoints]:
    """The weights of a training that nothing happened to, and its checkpoints."""
    checkpoints = Checkpoints(tmp_path_factory.mktemp("undisturbed"))
    model, epochs = tiny.train(checkpoints)
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4]
    return tiny.sha256(model), checkpoints


def _figures(checkpoints: Checkpoints) -> list[tuple[float, ...]]:
    return [
        (epoch.loss, epoch.accuracy, epoch.val_loss or 0.0)
        for epoch in checkpoints.progress().history
    ]


@pytest.mark.parametrize(
    "moment", [("step", "12"), ("write", "1"), ("write", "4"), ("rename", "5")]
)
def test_a_training_killed_at_any_moment_ends_bit_for_bit_as_one_that_was_not(
    undisturbed: tuple[str, Checkpoints], tmp_path: Path, moment: tuple[str, str]
) -> None:
    program = [sys.executable, tiny.__file__, str(tmp_path), *moment]
    died = subprocess.run(program, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    checkpoints = Checkpoints(tmp_path)
    done = checkpoints.progress().epochs

    model, epochs = tiny.train(checkpoints)

    assert done < 4
    assert len(epochs) == 4 - done
    assert tiny.sha256(model) == undisturbed[0]
    assert _figures(checkpoints) == _figures(undisturbed[1])


@pytest.mark.parametrize("step", [2, 5, 13])
def test_a_paused_training_goes_on_from_the_very_step(
    undisturbed: tuple[str, Checkpoints], tmp_path: Path, step: int
) -> None:
    checkpoints, seen = Checkpoints(tmp_path), list[Progress]()

    with pytest.raises(PausedError, match="the same command goes on"):
        tiny.train(checkpoints, on_step=seen.append, is_interrupted=lambda: len(seen) == step)
    model, _ = tiny.train(checkpoints, on_step=seen.append)

    assert len(seen) == 4 * 5, "18 pictures in batches of 4 are 5 steps an epoch, none repeated"
    assert tiny.sha256(model) == undisturbed[0]
    assert _figures(checkpoints) == _figures(undisturbed[1])


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_wish_to_stop_that_comes_while_an_epoch_is_closed_is_heard(
    undisturbed: tuple[str, Checkpoints], tmp_path: Path, epochs: int
) -> None:
    checkpoints, seen = Checkpoints(tmp_path), list[Progress]()

    with pytest.raises(PausedError, match=f"after epoch {epochs}; .* the same command goes on"):
        tiny.train(
            checkpoints,
            on_step=seen.append,
            is_interrupted=lambda: checkpoints.progress().epochs == epochs,
        )

    assert len(seen) == epochs * 5
    model, _ = tiny.train(checkpoints)
    assert tiny.sha256(model) == undisturbed[0]


def test_a_finished_training_has_nothing_left_to_do(
    undisturbed: tuple[str, Checkpoints],
) -> None:
    model, epochs = tiny.train(undisturbed[1])

    assert epochs == []
    assert tiny.sha256(model) == undisturbed[0]


def test_another_seed_ends_elsewhere(undisturbed: tuple[str, Checkpoints], tmp_path: Path) -> None:
    model, _ = tiny.train(Checkpoints(tmp_path), recipe=replace(tiny.RECIPE, seed=4))

    assert tiny.sha256(model) != undisturbed[0]


def test_the_best_epoch_s_weights_stand_and_no_other_s_are_kept(tmp_path: Path) -> None:
    recipe = replace(tiny.RECIPE, epochs=8, learning_rate=0.05, monitor="loss", ema=0.0)
    checkpoints = Checkpoints(tmp_path)
    states: dict[int, str] = {}
    model = tiny.network()

    def note(progress: Progress) -> None:
        states[progress.epochs] = tiny.sha256(model)  # Until the epoch's last step.

    tiny.train(checkpoints, recipe=recipe, on_step=note, model=model)

    history = checkpoints.progress().history
    leader = min(history, key=lambda epoch: epoch.val_loss or 0.0)
    assert tiny.sha256(model) == states[leader.epoch - 1]
    assert [path.name for path in tmp_path.glob("best-*")] == [f"best-{leader.epoch:04}.npz"]


def test_training_stops_when_no_better_epoch_comes(tmp_path: Path) -> None:
    recipe = replace(tiny.RECIPE, epochs=60, learning_rate=0.2, patience=2, monitor="loss")

    _, epochs = tiny.train(Checkpoints(tmp_path), recipe=recipe)

    leader = min(epochs, key=lambda epoch: epoch.val_loss or 0.0)
    assert epochs[-1].epoch == leader.epoch + 2 < 60


def test_without_validation_pictures_the_last_epoch_s_weights_stand(tmp_path: Path) -> None:
    _, epochs = tiny.train(Checkpoints(tmp_path), val=0, recipe=replace(tiny.RECIPE, epochs=2))

    assert [epoch.val_loss for epoch in epochs] == [None, None]
    assert (tmp_path / "best-0002.npz").exists()


def test_a_loss_that_is_no_number_ends_the_training_and_says_what_to_try(tmp_path: Path) -> None:
    model = tiny.network()
    model.layers[-1].kernel.assign(model.layers[-1].kernel.numpy() * float("nan"))

    with pytest.raises(
        DivergedError, match=r"smaller --learning-rate \(it was 0\.01\), or --clip-norm 1"
    ):
        tiny.train(Checkpoints(tmp_path), model=model)

    assert not (tmp_path / "last.npz").exists()


def test_weights_that_the_last_step_of_an_epoch_ruined_are_not_kept(tmp_path: Path) -> None:
    recipe = replace(
        tiny.RECIPE, optimizer="sgd", learning_rate=9.9, weight_decay=1e38, batch_size=512, epochs=1
    )

    with pytest.raises(DivergedError, match=r"^in epoch 1 the weights are not numbers any more"):
        tiny.train(Checkpoints(tmp_path), recipe=recipe)

    assert not (tmp_path / "last.npz").exists()


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    tiny.train(Checkpoints(tmp_path), recipe=replace(tiny.RECIPE, epochs=1))
    whole = (tmp_path / "last.npz").read_bytes()
    (tmp_path / "last.npz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(RunError, match=r"last\.npz cannot be read .* to begin the run anew"):
        tiny.train(Checkpoints(tmp_path))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    tiny.train(Checkpoints(tmp_path), recipe=replace(tiny.RECIPE, epochs=1))
    import keras

    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    other.add(keras.layers.Dense(2, activation="softmax"))

    with pytest.raises(RunError, match="another network"):
        tiny.train(Checkpoints(tmp_path), model=other)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), ValueError("Cannot parse tensor from proto: dtype: DT_FLOAT tensor_shape")],
)
def test_memory_that_runs_out_is_told_with_the_batch_size(error: Exception) -> None:
    backend.start()
    from training.steps import out_of_memory_told

    with (
        pytest.raises(TrainingError, match="batches of 18 pictures: try a smaller --batch-size"),
        out_of_memory_told(18, less="a smaller --batch-size"),
    ):
        raise error


def test_memory_that_runs_out_in_a_step_is_told_with_the_size_of_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("keras.Model.train_on_batch", no_room)

    with pytest.raises(TrainingError, match="batches of 18 pictures"):
        tiny.train(Checkpoints(tmp_path), recipe=replace(tiny.RECIPE, batch_size=4096))


@pytest.mark.parametrize(
    ("transfer", "has_backbone", "found"),
    [
        ("whole", True, [("all", 10)]),
        ("frozen", True, [("head", 1)]),
        ("two-phase", True, [("head", 1), ("thawed", 11)]),
        ("two-phase", False, [("all", 10)]),
    ],
)
def test_a_backbone_is_frozen_and_freed_as_the_recipe_says(
    transfer: Transfer, has_backbone: bool, found: list[tuple[str, int]]
) -> None:
    backend.start()
    from training.fit import phases

    recipe = TrainRecipe(epochs=10, transfer=transfer)

    assert [
        (phase.learns, phase.end) for phase in phases(recipe, has_backbone=has_backbone)
    ] == found


def _bytes(variables: list[Any]) -> bytes:
    return b"".join(each.numpy().tobytes() for each in variables)


def test_first_a_head_is_fitted_then_the_backbone_learns_and_its_batch_norm_does_not(
    tmp_path: Path,
) -> None:
    model = tiny.network()
    kernel, norm = model.get_layer("backbone").layers[-2:]
    before, seen = _bytes(norm.variables), [_bytes(kernel.variables)]
    recipe = replace(tiny.RECIPE, epochs=1, transfer="two-phase", rate_decay=0.5)
    from training.fit import fit

    history = []
    for epoch in fit(
        model,
        train=tiny.pictures(18),
        val=tiny.pictures(6, seed=1),
        recipe=recipe,
        checkpoints=Checkpoints(tmp_path),
        on_step=lambda _: None,
        is_interrupted=lambda: False,
    ):
        history.append(epoch)
        seen.append(_bytes(kernel.variables))

    assert history[0].accuracy > 0.9, "noise, brighter where the label is 1"
    assert seen[0] == seen[1] != seen[2]
    assert _bytes(norm.variables) == before
