"""Transfer: a backbone that knows ImageNet, a head fitted on what it says, then both.

The head comes first, on features that are computed once: a random head would send random
gradients into the backbone (Kumar et al. 2022, arXiv 2202.10054). Then the backbone is freed
from the top, with lower rates below; its batch-norm statistics stay as they are, because the
few pictures of a batch would ruin them.
"""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

from training.errors import ModelMismatchError
from training.measure import cross_entropy
from training.pictures import Pictures
from training.predict import probabilities_of

Network = Any
Floats = NDArray[np.float32]

STAGES = 5
"""A backbone's layers are freed, and slowed down, in so many groups."""

_PENALTIES = (0.01, 0.1, 1.0)
"""Of the squared weights of standardised features, a picture's share."""


def backbone_of(network: Network) -> Network | None:
    """The layer `backbone` of a network, or None where it has none."""
    return next((layer for layer in network.layers if layer.name == "backbone"), None)


def freeze(backbone: Network) -> None:
    """Keep a backbone as it is, statistics and all."""
    backbone.trainable = False


def thaw(backbone: Network, *, share: float) -> None:
    """Free the upper `share` of a backbone's layers, except batch-norm."""
    backbone.trainable = True
    layers = backbone.layers
    for depth, layer in enumerate(layers):
        is_above = depth >= round((1 - share) * len(layers))
        layer.trainable = is_above and not isinstance(layer, keras.layers.BatchNormalization)


def rate_factors(backbone: Network, *, decay: float) -> dict[str, float]:
    """The share of the learning rate for each variable, by its path: lower ones learn less.

    The head learns at the full rate, the backbone's uppermost group of layers at `decay`.
    Empty where `decay` is 1.
    """
    if decay == 1:
        return {}
    layers = backbone.layers
    return {
        variable.path: decay ** (STAGES - STAGES * depth // len(layers))
        for depth, layer in enumerate(layers)
        for variable in layer.trainable_variables
    }


def fit_head(network: Network, train: Pictures, *, weights: Floats) -> Floats:
    """Fit the layer `labels` on the frozen features of pictures and their mirror images.

    Logistic regression, with the L2 penalty that does best on a third that is kept apart.

    Args:
        network: With a dense layer `labels` on top, for softmax.
        train: What it learns from.
        weights: How much a picture of each class counts.

    Returns:
        What the network says then of the pictures, (n, classes).

    Raises:
        ModelMismatchError: the head is more than one dense layer.
    """
    head = network.get_layer("labels")
    features = keras.Model(network.inputs[0], head.input)
    _require_simple(network, head)
    views = (train.pixels, train.pixels[:, :, ::-1])
    said = [probabilities_of(features, pixels) for pixels in views]
    kernel, bias = _logistic(np.concatenate(said), np.tile(train.labels, 2), weights)
    head.set_weights([kernel, bias])
    return np.asarray(softmax(said[0] @ kernel + bias, axis=1), np.float32)


def _require_simple(network: Network, head: Any) -> None:
    backbone = backbone_of(network)
    assert backbone is not None
    above = network.layers[network.layers.index(backbone) + 1 :]
    learning = [layer.name for layer in above if layer.weights and layer is not head]
    if learning:
        raise ModelMismatchError(
            f"the head of {network.name} has more than one layer ({', '.join(learning)}) and cannot"
            " be fitted on features alone: train all of it with --transfer whole"
        )


def _logistic(
    features: Floats, labels: NDArray[np.int32], weights: Floats
) -> tuple[Floats, Floats]:
    """Kernel (features, classes) and bias (classes,) of a multinomial logistic regression."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-3
    scaled = ((features - mean) / deviation).astype(np.float64)
    # A picture and its mirror image fall on the same side.
    is_apart = np.tile(np.arange(len(labels) // 2) % 3 == 0, 2)
    penalty = _PENALTIES[0]
    if set(labels[is_apart]) == set(labels[~is_apart]):
        tried = {
            each: _regression(scaled[~is_apart], labels[~is_apart], weights, each)
            for each in _PENALTIES
        }
        penalty = min(
            tried, key=lambda each: _loss(tried[each], scaled[is_apart], labels[is_apart])
        )
    fitted = _regression(scaled, labels, weights, penalty)
    kernel, bias = fitted.coef_.T, fitted.intercept_
    if kernel.shape[1] == 1:  # Of two classes it has the second one's lead over the first.
        kernel, bias = np.hstack([0 * kernel, kernel]), np.append(0.0, bias)
    kernel = kernel / deviation[:, None]
    return kernel.astype(np.float32), (bias - mean @ kernel).astype(np.float32)


def _regression(
    features: NDArray[np.float64], labels: NDArray[np.int32], weights: Floats, penalty: float
) -> Any:
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=1 / (penalty * len(labels)), max_iter=100, tol=1e-3)
    with warnings.catch_warnings():
        # A hundred steps are near enough: what is wanted is a start, or a good guess.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return regression.fit(features, labels, sample_weight=weights[labels])


def _loss(fitted: Any, features: NDArray[np.float64], labels: NDArray[np.int32]) -> float:
    return cross_entropy(labels, fitted.predict_proba(features)) or 0.0
