"""Muon: convolutions learn along directions that are all of one length.

A step is the gradient's moving average with its singular values brought to about 1, by a few
Newton-Schulz iterations (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon), of one
size in each layer (Liu et al. 2025, arXiv 2502.16982). Keras' optimizer of that name leaves
convolutions to Adam. Here it is the other way round: dense layers are left to it, since the last
one should be, and what comes before it in a small network is too wide for this to be cheap.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_MOMENTUM = 0.95
_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of Jordan et al.: they bring singular values to between 0.7 and 1.2, and fast."""
_RMS = 0.5
"""Of a step, in learning rates. 0.2 is about Adam's; more suits convolutions, and leaves what
learns by AdamW at a rate that it stands with few pictures (benchmarks/RESULTS.md)."""


@keras.saving.register_keras_serializable("bestiary")
class Muon(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW whose steps along the kernels of convolutions are orthogonalised."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take a step: Muon's for a convolution that mixes channels, AdamW's for all else."""
        shape = tuple(variable.shape)
        if len(shape) != 4 or shape[-1] == 1:  # Depthwise kernels mix none.
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[self._get_variable_index(variable)]
        fresh = ops.cast(gradient, variable.dtype) * (1 - _MOMENTUM)
        self.assign(momentum, momentum * _MOMENTUM + fresh)
        ahead = momentum * _MOMENTUM + fresh  # Nesterov's.
        rows, columns = shape[0] * shape[1] * shape[2], shape[3]
        step = orthogonalised(ops.reshape(ahead, (rows, columns)))
        scale = ops.cast(learning_rate, variable.dtype) * _RMS * max(rows, columns) ** 0.5
        self.assign_sub(variable, ops.reshape(step, shape) * scale)


def orthogonalised(matrix: Any) -> Any:
    """The matrix, shape (rows, columns), with its singular values between 0.7 and 1.2.

    One of zeros stays what it is.
    """
    rows, columns = matrix.shape
    wide = ops.transpose(matrix) if rows > columns else matrix
    wide = wide / (ops.sqrt(ops.sum(ops.square(wide))) + 1e-9)
    first, third, fifth = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        square = ops.matmul(wide, ops.transpose(wide))
        inner = third * square + fifth * ops.matmul(square, square)
        wide = first * wide + ops.matmul(inner, wide)
    return ops.transpose(wide) if rows > columns else wide
