from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from training import backend


def _pictures(side_px: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, side_px, side_px, 3), np.uint8)


def _by_pillow(picture: NDArray[np.uint8], to_px: int) -> NDArray[np.float32]:
    bands = [Image.fromarray(band) for band in np.moveaxis(picture.astype(np.float32), -1, 0)]
    scaled = [band.resize((to_px, to_px), Image.Resampling.BICUBIC) for band in bands]
    return np.stack([np.asarray(band) for band in scaled], axis=-1)


@pytest.mark.parametrize(("side_px", "to_px"), [(32, 160), (32, 50), (48, 32)])
def test_a_network_scales_its_pictures_as_pillow_does(side_px: int, to_px: int) -> None:
    backend.start()
    from training.networks import cifar_resnet

    scaling = cifar_resnet(side_px, 5, to_px).get_layer("scaling")
    pictures = _pictures(side_px)

    scaled = scaling.predict(pictures, verbose=0)

    for one, own in zip(scaled, pictures, strict=True):
        np.testing.assert_allclose(one, _by_pillow(own, to_px), atol=1e-3)


def test_a_network_that_scales_is_loaded_by_keras_alone(tmp_path: Path) -> None:
    backend.start()
    import keras

    from training.networks import cifar_vgg

    network = cifar_vgg(16, 5, 32)
    network.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)

    pictures = _pictures(16)
    said = network.predict(pictures, verbose=0)
    assert (loaded.predict(pictures, verbose=0) == said).all()
