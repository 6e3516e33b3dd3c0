from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from training import backend
from training.errors import TrainingError

CURVE = """
import json, sys, tempfile
from pathlib import Path
from training import backend
backend.start()
if sys.argv[1] == "many":
    assert backend.share_among_devices() == 4
from tests.training import tiny
from training.checkpoint import Checkpoints
with tempfile.TemporaryDirectory() as folder:
    _, epochs = tiny.train(Checkpoints(Path(folder)))
print(json.dumps([[epoch.loss, epoch.val_loss] for epoch in epochs]))
"""


def _curve(devices: str) -> list[list[float]]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
    }
    done = subprocess.run(
        [sys.executable, "-c", CURVE, devices],
        capture_output=True,
        check=False,
        env=environment,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    losses: list[list[float]] = json.loads(done.stdout.splitlines()[-1])
    return losses


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX alone shares batches, and is not installed"
)
def test_four_devices_learn_along_the_curve_of_one() -> None:
    many, one = _curve("many"), _curve("one")

    assert len(one) == 4
    (losses, val_losses), (one_s, one_s_val) = zip(*many, strict=True), zip(*one, strict=True)
    assert losses == pytest.approx(one_s, rel=1e-5)
    # A bias before a batch norm has no gradient but rounding, and Adam makes steps of that: the
    # training does not feel it, and the norm's statistics follow it late.
    assert val_losses == pytest.approx(one_s_val, rel=1e-2)


@pytest.mark.skipif(backend.named() == "jax", reason="JAX can")
def test_a_backend_that_cannot_share_says_which_one_can() -> None:
    with pytest.raises(TrainingError, match="KERAS_BACKEND=jax does"):
        backend.share_among_devices()


def test_a_gpu_that_is_not_there_is_told_with_both_ways_out() -> None:
    backend.start()
    if backend.gpus():
        pytest.skip("there is a GPU")

    with pytest.raises(TrainingError, match=r"sees no GPU.*doctor.*--device cpu"):
        backend.choose_device("gpu")
    assert backend.sharers() == 1
