from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training import tiny
from training import backend
from training.models import find


def ruffled(name: str) -> Any:
    """A network of 32 px enlarged to 64, whose batch norms have seen pictures and learnt."""
    backend.start()
    import keras

    from training import transfer

    keras.utils.set_random_seed(0)
    network = find(name).build(side_px=32, classes=3, enlarge_px=64)
    rng = np.random.default_rng(0)
    backbone = transfer.backbone_of(network)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable, layer.momentum = True, 0.0
            layer.gamma.assign(rng.uniform(0.8, 1.2, layer.gamma.shape))
            layer.beta.assign(rng.uniform(-0.2, 0.2, layer.beta.shape))
    network(pictures(16), training=True)
    transfer.thaw(backbone, share=1.0)
    return network


def pictures(count: int) -> Any:
    rng = np.random.default_rng(1)
    return (rng.integers(0, 256, (count, 4, 4, 3)).repeat(8, 1).repeat(8, 2)).astype(np.float32)


@pytest.mark.parametrize("name", ["mobilenet-v2-035", "mobilenet-075"])
def test_a_folded_network_says_what_it_said_before(name: str) -> None:
    from training.folding import folded

    network = ruffled(name)
    seen = pictures(4)
    before = network.predict_on_batch(seen)
    cheaper = folded(network)

    assert cheaper is not network
    assert cheaper.output_shape == network.output_shape
    assert np.ptp(before, axis=0).max() > 0.01
    np.testing.assert_allclose(cheaper.predict_on_batch(seen), before, atol=1e-4)
    np.testing.assert_array_equal(network.predict_on_batch(seen), before)


def test_it_learns_the_very_variables_of_the_network_in_their_order() -> None:
    from training.folding import folded

    network = ruffled("mobilenet-v2-035")
    cheaper = folded(network)

    assert [id(one) for one in cheaper.trainable_variables] == [
        id(one) for one in network.trainable_variables
    ]


def test_a_step_of_it_is_a_step_of_the_network() -> None:
    """Plain descent, so that a gradient is what a variable moved by."""
    import keras

    from training.folding import folded

    network = ruffled("mobilenet-v2-035")
    seen, targets = pictures(4), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    first = network.get_weights()
    moves = []
    for one in (network, folded(network)):
        network.set_weights(first)
        one.compile(optimizer=keras.optimizers.SGD(1.0), loss="categorical_crossentropy")
        for layer in one.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        keras.utils.set_random_seed(0)
        one.train_on_batch(seen, targets)
        moves.append(
            [after - before for after, before in zip(network.get_weights(), first, strict=True)]
        )

    for plain, cheap in zip(*moves, strict=True):
        assert np.linalg.norm(cheap - plain) <= 0.02 * np.linalg.norm(plain) + 1e-5
    assert sum(float(np.abs(move).max()) > 0 for move in moves[1]) > 50


def test_it_computes_in_16_bits_where_the_network_does() -> None:
    import keras

    from training.folding import folded

    backend.start()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = ruffled("mobilenet-v2-035")
    finally:
        keras.config.set_dtype_policy("float32")
    seen, targets = pictures(4), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    cheaper, exact = folded(network), ruffled("mobilenet-v2-035")
    exact.set_weights(network.get_weights())

    plain, cheap, truth = (
        np.asarray(one.predict_on_batch(seen), np.float32) for one in (network, cheaper, exact)
    )
    cheaper.compile(optimizer=keras.optimizers.SGD(0.01), loss="categorical_crossentropy")

    assert 0 < np.abs(cheap - truth).mean() < 2 * np.abs(plain - truth).mean()
    assert np.isfinite(cheaper.train_on_batch(seen, targets))


def test_norms_that_learn_are_left_alone() -> None:
    from training import transfer
    from training.folding import folded

    network = ruffled("mobilenet-v2-035")
    for layer in transfer.backbone_of(network).layers:
        layer.trainable = True

    assert folded(network) is network
    assert folded(tiny.network()) is not None
