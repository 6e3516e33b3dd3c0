"""An ensemble as one network, with its views and members in one graph: it can be exported."""

from __future__ import annotations

from typing import Any

import keras

from training.ensemble import Classifier, Views, shift_of


def joined(classifier: Classifier) -> Any:
    """A `keras.Model` that says of pictures, (n, side, side, 3), what a classifier does.

    The classifier's members are part of it, and get other names; they must not be calibrated.
    """
    assert classifier.temperature == 1
    side_px = classifier.side_px
    inputs = keras.Input((side_px, side_px, 3))
    views = _seen(inputs, classifier.views, side_px)
    for nth, member in enumerate(classifier.members):
        member.name = f"member-{nth}"  # Keras wants to tell them apart.
    said = [member(view, training=False) for member in classifier.members for view in views]
    mean = keras.layers.Average()(said) if len(said) > 1 else said[0]
    return keras.Model(inputs, mean, name="ensemble")


def _seen(pixels: Any, views: Views, side_px: int) -> list[Any]:
    """The views of pictures, as `ensemble.seen` has them."""
    if views == "one":
        return [pixels]
    if views == "flip":
        return [pixels, _mirrored(pixels)]
    shift = shift_of(side_px)
    wide = keras.ops.pad(pixels, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="reflect")
    corners = [
        wide[:, top : top + side_px, left : left + side_px]
        for top in (0, 2 * shift)
        for left in (0, 2 * shift)
    ]
    return [view for one in (pixels, *corners) for view in (one, _mirrored(one))]


def _mirrored(pixels: Any) -> Any:
    return keras.ops.flip(pixels, axis=2)
