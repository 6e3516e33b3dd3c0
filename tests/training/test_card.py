from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from tests.training.making import Trained
from tests.training.test_run import RECORD
from training.card import _confusions, _plain, _training
from training.measure import measure
from training.recipe import TrainRecipe


def test_the_card_is_filled_from_the_lock_and_the_metrics(trained: Trained) -> None:
    card = (trained.root / "model-card.md").read_text()
    metrics = json.loads((trained.root / "metrics.json").read_text())
    test = metrics["splits"]["test"]

    assert card.startswith("# cifar-vgg: hamster, mouse, shrew\n")
    assert trained.dataset.lock_digest in card
    assert metrics["weights_sha256"] in card
    assert f"| accuracy | {test['accuracy']['value']:.1%}".replace("%", " %") in card
    assert "| hamster | 24 | 6 | 6 |" in card
    assert "on 14 test pictures" in card
    assert "chose nothing" in card
    assert "says *unknown*" in card
    assert "Licences, as the sources state them: not stated 76." in card


def test_the_card_states_the_licence_of_the_first_weights() -> None:
    published = replace(RECORD, recipe=TrainRecipe(weights="imagenet"))
    known = {"first_weights_sha256": "ef" * 32, "first_weights_licence": "MIT"}

    card = "\n".join(_training(replace(published, **known)))
    own = "\n".join(_training(replace(published, recipe=TrainRecipe(weights="a.h5"), **known)))

    assert f"SHA-256 `{'ef' * 32}`\n- licence of the first weights: MIT\n" in card
    assert "licence of the first weights, if the file named is what Keras publishes: MIT" in own
    assert "licence" not in "\n".join(_training(published))


def test_one_picture_is_no_plural() -> None:
    labels = np.array([0, 0, 1], np.int32)
    said = np.eye(2, dtype=np.float32)[[0, 1, 1]]
    measures = measure(labels, said, split="test", species=("mouse", "shrew"), commonest=0, seed=0)

    assert "- mouse, taken for shrew: 1 picture" in list(_confusions(measures))


def test_names_cannot_make_markdown() -> None:
    assert _plain("a|b *c* <d>\n# e") == r"a\|b \*c\* \<d\> \# e"
