from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.making import run_command
from training import presets, reproduce, reproduce_table
from training.cifar import SMALL_MAMMALS
from training.errors import PicturesError, RunError, UsageError
from training.labelled import Labelled, read_npz
from training.models import MODELS, find
from training.reproduce import ROWS, Outcome, Skipped
from training.reproduce_table import interval, lines

CODES = [36, 50, 65, 74, 80]
VGG = ROWS["1 cifar-vgg, study"]


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise in five shades, with CIFAR-100's codes; a hundred of each are for validation."""
    path = tmp_path_factory.mktemp("data") / "mammals.npz"
    codes = np.repeat(CODES, 104)
    rng = np.random.default_rng(0)
    shades = 40 * (np.arange(len(codes)) // 104)
    pixels = rng.integers(0, 80, (len(codes), 32, 32, 3)) + shades[:, None, None, None]
    np.savez(path, images=pixels.astype(np.uint8), fine_labels=codes)
    return path


def _outcome(**other: Any) -> Outcome:
    values: dict[str, Any] = {
        "row": VGG.name,
        "seed": 0,
        "n": 500,
        "last": 0.5,
        "best": 0.6,
        "epochs": 3,
        "cpu_s": 10.0,
        "wall_s": 12.0,
    }
    return Outcome(**(values | other))


def test_every_row_is_a_recipe_that_can_be_meant() -> None:
    for row in ROWS.values():
        recipe = row.recipe(seed=3, side_px=32, epochs=None)
        assert recipe.seed == 3
        assert recipe.preset == row.preset


def test_the_study_s_rows_are_trained_as_the_study_said() -> None:
    cnn = ROWS["0 cifar-cnn, study"].recipe(seed=0, side_px=32, epochs=None)
    slim = ROWS["3 scratch-224, study, photos"].recipe(seed=0, side_px=224, epochs=None)
    vgg = VGG.recipe(seed=0, side_px=32, epochs=None)

    assert (cnn.batch_size, cnn.epochs, cnn.patience) == (100, 100, 50)
    assert (slim.batch_size, slim.epochs, slim.learning_rate) == (120, 100, 0.001)
    assert (vgg.batch_size, vgg.optimizer, vgg.flips, vgg.shift) == (32, "adam", "none", 0.0)
    assert [ROWS[name].reported for name in list(ROWS)[1:3]] == ["66.60 %", "52.60 %"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_every_model_has_every_preset(model: str, preset: str) -> None:
    assert presets.recipe(preset, find(model)).preset == preset


def test_what_is_given_goes_before_the_preset() -> None:
    recipe = presets.recipe("strong", find("cifar-vgg"), epochs=7, cutmix=0.0)

    assert (recipe.epochs, recipe.cutmix, recipe.schedule) == (7, 0.0, "cosine")
    with pytest.raises(UsageError, match="no preset 'weak': choose one of study, strong"):
        presets.recipe("weak", find("cifar-vgg"))


def test_a_short_training_warms_up_for_a_tenth_of_it_unless_told_otherwise() -> None:
    entry = find("cifar-resnet")

    assert presets.recipe("strong", entry).warmup_epochs == 5
    assert presets.recipe("strong", entry, epochs=4).warmup_epochs == 0.4
    assert presets.recipe("strong", entry, epochs=4, warmup_epochs=2.0).warmup_epochs == 2


def test_pictures_are_enlarged_only_to_what_is_larger() -> None:
    recipe = presets.recipe("strong", find("mobilenet-v2"))

    enlarged = presets.fitted_to(recipe, side_px=32, given=())
    large = presets.fitted_to(recipe, side_px=224, given=())

    assert enlarged == recipe
    assert recipe.enlarge_px is not None
    assert large.enlarge_px is None
    assert large.learning_rate < recipe.learning_rate
    asked = presets.fitted_to(recipe, side_px=224, given={"learning_rate"})
    assert asked.learning_rate == recipe.learning_rate
    row = ROWS["mobilenet-v2, photos, strong"]
    assert row.recipe(seed=0, side_px=224, epochs=None) == large


def test_a_row_of_several_runs_has_their_means_and_one_interval() -> None:
    found = [_outcome(seed=seed, last=last) for seed, last in enumerate((0.5, 0.6, 0.7))]

    (line,) = lines([VGG], found)

    assert line.last == pytest.approx(0.6)
    assert line.best == pytest.approx(0.6)
    assert line.seeds == (0.5, 0.6, 0.7)
    assert (line.low, line.high) == pytest.approx((0.6 - 0.2484, 0.6 + 0.2484), abs=1e-3)


def test_folds_share_no_pictures_and_count_together() -> None:
    row = ROWS["mobilenet-v2, photos, head alone"]
    folds = [_outcome(row=row.name, seed=seed, n=100, last=0.9) for seed in range(5)]

    (together,) = lines([row], folds)
    (dealt_twice,) = lines([row], [*folds, _outcome(row=row.name, seed=5, n=100, last=0.9)])

    assert together.n == 500
    assert (together.low, together.high) == pytest.approx((0.8706, 0.9233), abs=1e-3)
    assert dealt_twice.n == 100


@given(accuracies=st.lists(st.floats(0, 1), min_size=1, max_size=12), n=st.integers(1, 1000))
def test_an_interval_holds_its_mean_and_stays_between_0_and_1(
    accuracies: list[float], n: int
) -> None:
    low, high = interval(accuracies, n=n)

    assert 0 <= low <= high <= 1
    assert low - 0.5 / n - 1e-9 <= np.mean(accuracies) <= high + 0.5 / n + 1e-9


def test_the_table_says_the_same_in_four_forms(tmp_path: Path) -> None:
    rows = [VGG, ROWS["2 resnet50 at 32 px, study"]]
    found = [_outcome(), Skipped(row=rows[1].name, reason="no weights <here>")]

    table = lines(rows, found)
    reproduce_table.write(tmp_path, table)

    assert json.loads((tmp_path / "table.json").read_text())[0]["last"] == 0.5
    for name in ("table.md", "table.html"):
        assert "over the runs and over the pictures, both together" in (tmp_path / name).read_text()
    for text in (
        (tmp_path / "table.md").read_text(),
        (tmp_path / "table.html").read_text(),
        reproduce_table.to_text(table),
    ):
        assert "66.60 %" in text
        assert "50.0 % (45.6 %–54.4 %), n = 500" in text
        assert "60.0 %" in text
    assert "no weights &lt;here&gt;" in (tmp_path / "table.html").read_text()


def test_reproduce_trains_a_row_once_and_then_remembers(npz: Path, tmp_path: Path) -> None:
    command = ("reproduce", "--data", npz, "--out", tmp_path, "--quick", "--epochs", 1)

    document, text = run_command(*command, "--row", VGG.name)
    (job,) = (tmp_path / "jobs").iterdir()
    job.write_text(job.read_text().replace(str(document["rows"][0]["last"]), "0.123"))
    again, _ = run_command(*command, "--row", VGG.name)

    (row,) = document["rows"]
    assert row["n"] == 500
    assert row["cpu_s"] > 0
    assert row["best"] == row["last"], "one epoch is the best and the last"
    assert again["rows"][0]["last"] == 0.123
    assert "66.60 %" in text
    assert not list((tmp_path / "work").iterdir()), "checkpoints of what is done are not kept"


def test_a_figure_of_other_pictures_is_none_of_these(npz: Path, tmp_path: Path) -> None:
    deal = reproduce.random_deal(read_npz(npz), 0)
    other = replace(deal, val=replace(deal.val, labels=deal.val.labels[::-1]))
    made = {
        "recipe": VGG.digest(seed=0, epochs=1),
        "material": reproduce.material_digest(VGG, other, "none"),
    }
    (tmp_path / "jobs").mkdir()
    done = tmp_path / "jobs" / "1-cifar-vgg--study-0-1epochs.json"
    done.write_text(json.dumps(asdict(_outcome(last=0.123, **made))))

    def outcomes() -> list[Any]:
        return list(
            reproduce.reproduce(
                [VGG],
                1,
                lambda *_: deal,
                out=tmp_path,
                weights_choice="none",
                epochs=1,
                on_epoch=lambda *_: None,
                is_interrupted=lambda: False,
            )
        )

    (fresh,) = outcomes()

    assert fresh.last != 0.123
    assert fresh.material == reproduce.material_digest(VGG, deal, "none")
    assert outcomes() == [fresh]


def test_what_was_done_before_is_told_before_anything_else_is_trained(tmp_path: Path) -> None:
    later = _outcome(seed=3, recipe=VGG.digest(seed=3, epochs=None))
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "1-cifar-vgg--study-3.json").write_text(json.dumps(asdict(later)))

    def no_pictures(*_: object) -> Any:
        raise reproduce.NoMaterialError("none here")

    told = reproduce.reproduce(
        [VGG],
        5,
        no_pictures,
        out=tmp_path,
        weights_choice="imagenet",
        epochs=None,
        on_epoch=lambda *_: None,
        is_interrupted=lambda: False,
    )

    assert list(told) == [later, Skipped(row=VGG.name, reason="none here")]


def test_a_figure_of_another_recipe_counts_for_nothing_and_a_table_alone_trains_nothing(
    npz: Path, tmp_path: Path
) -> None:
    kept = _outcome(seed=0, recipe=VGG.digest(seed=0, epochs=None))
    stale = _outcome(seed=1, recipe=VGG.digest(seed=1, epochs=50))
    (tmp_path / "jobs").mkdir()
    for one in (kept, stale):
        path = tmp_path / "jobs" / f"1-cifar-vgg--study-{one.seed}.json"
        path.write_text(json.dumps(asdict(one)))

    document, text = run_command(
        *("reproduce", "--data", npz, "--out", tmp_path, "--table", "--row", "cifar-vgg")
    )

    study, strong = document["rows"]
    assert list(study["seeds"]) == [0.5]
    assert strong["last"] is None
    assert "50.0 %" in text
    assert "50.0 %" in (tmp_path / "table.md").read_text()


def test_a_row_without_pictures_or_weights_says_what_it_lacks(npz: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()

    document, text = run_command(
        *("reproduce", "--data", npz, "--out", tmp_path, "--quick", "--epochs", 1),
        *("--row", "photos", "--row", "resnet50", "--weights", tmp_path / "weights"),
    )

    reasons = {row["row"]: row["why_not"] for row in document["rows"]}
    assert "--photos" in reasons["3 scratch-224, study, photos"]
    assert "has no weights of resnet50" in reasons["2 resnet50 at 32 px, study"]
    assert "not run" in text


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--only", "scratch"), "belong to --final"),
        (("--cpu-minutes", 1), "belong to --final"),
        (("--final", "x", "--table"), "makes models and no table"),
        (("--final", "x", "--quick"), "makes models and no table"),
        (("--weights", "nowhere"), "there are no weights at nowhere"),
        (("--row", "lion"), "no row has lion in its name: there are 0 cifar-cnn, study; 1 cifar"),
    ],
)
def test_what_nothing_would_come_of_is_refused_before_anything_is_trained(
    npz: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[object, ...],
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match=why):
        run_command("reproduce", "--data", npz, *options)

    assert not list(tmp_path.iterdir())


def test_the_deal_is_the_study_s_400_and_100_of_each_class(npz: Path) -> None:
    deal = reproduce.random_deal(read_npz(npz), 0)

    assert np.bincount(deal.val.labels).tolist() == [100] * 5
    assert np.bincount(deal.train.labels).tolist() == [4] * 5
    assert deal.classes == len(SMALL_MAMMALS)


def test_final_models_are_made_of_all_pictures_and_measured(tmp_path: Path, few: Path) -> None:
    root = tmp_path / "final"
    document, text = run_command(
        *("reproduce", "--data", few, "--final", root, "--only", "scratch", "--epochs", 1)
    )
    measured, _ = run_command("evaluate", root, "--images", few)

    assert document["pictures"] == 15
    assert document["models"]["scratch"]["cpu_s"] > 0
    assert "CPU minutes" in text
    assert measured["classifiers"][0]["classifier"] == str(root / "scratch")
    assert measured["classifiers"][0]["measures"]["accuracy"]["n"] == 15


def test_final_models_are_not_put_among_other_things(tmp_path: Path, few: Path) -> None:
    (tmp_path / "photos" / "hamster").mkdir(parents=True)

    with pytest.raises(UsageError, match="holds something else: name another folder"):
        run_command("reproduce", "--data", few, "--final", tmp_path / "photos")

    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["hamster"]


def test_networks_that_there_is_no_time_for_are_left_out_and_named(
    tmp_path: Path, few: Path
) -> None:
    root = tmp_path / "final"
    command = ("reproduce", "--data", few, "--final", root, "--only", "scratch", "--epochs", 1)
    hasty, _ = run_command(*command, "--cpu-minutes", 0)
    first = (root / "scratch" / "cifar-resnet-0" / "model.weights.h5").read_bytes()
    patient, _ = run_command(*command)

    assert hasty["models"]["scratch"]["left_out"] == [f"cifar-vgg-{n}" for n in range(1, 6)]
    assert patient["models"]["scratch"]["left_out"] == []
    assert len(json.loads((root / "scratch" / "ensemble.json").read_text("utf-8"))["runs"]) == 6
    assert (root / "scratch" / "cifar-resnet-0" / "model.weights.h5").read_bytes() == first


def test_members_that_were_trained_otherwise_are_not_mixed_in(tmp_path: Path, few: Path) -> None:
    root = tmp_path / "final"
    command = ("reproduce", "--data", few, "--final", root, "--only", "scratch")
    run_command(*command, "--epochs", 1, "--cpu-minutes", 0)

    with pytest.raises(RunError, match="cifar-resnet-0 was trained with another epochs"):
        run_command(*command, "--epochs", 2)


@pytest.fixture(scope="module")
def few(npz: Path) -> Path:
    """Three pictures of each class."""
    with np.load(npz) as arrays:
        places = [104 * species + number for species in range(5) for number in range(3)]
        path = npz.parent / "few.npz"
        np.savez(path, images=arrays["images"][places], fine_labels=arrays["fine_labels"][places])
    return path


def test_a_class_that_would_be_all_kept_apart_is_named() -> None:
    labels = np.repeat(np.arange(2, dtype=np.int32), [150, 60])
    some = Labelled(
        pixels=np.zeros((210, 8, 8, 3), np.uint8), labels=labels, species=("mouse", "shrew")
    )
    with pytest.raises(PicturesError, match="shrew: of each class 100 pictures are kept apart"):
        reproduce.random_deal(some, 0)


def test_rows_that_are_not_asked_for_keep_their_place_in_the_table(
    npz: Path, tmp_path: Path
) -> None:
    (tmp_path / "jobs").mkdir()
    for epochs in (None, 2):
        one = _outcome(seed=0, recipe=VGG.digest(seed=0, epochs=epochs))
        suffix = f"-{epochs}epochs" if epochs else ""
        path = tmp_path / "jobs" / f"1-cifar-vgg--study-0{suffix}.json"
        path.write_text(json.dumps(asdict(one)))

    document, _ = run_command(
        *("reproduce", "--data", npz, "--out", tmp_path, "--table", "--row", "cifar-cnn")
    )

    assert [row["row"] for row in document["rows"]] == ["0 cifar-cnn, study"]
    table = (tmp_path / "table.md").read_text()
    assert "| 1 cifar-vgg, study | 66.60 % | 50.0 %" in table
    assert "| 0 cifar-cnn, study | overfits after epoch 80 | not run" in table
    done, others = reproduce.done_before([VGG], 5, out=tmp_path, epochs=None)
    assert (len(done), others) == (1, 1)
