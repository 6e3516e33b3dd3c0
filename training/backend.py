"""The one place where Keras and its backend are started, and kept from chattering.

TensorFlow writes half a dozen lines about itself to the standard error of every process,
partly before its own switches for that are read. They are held back here, and shown if the
start fails.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Literal

from training.errors import TrainingError


def named() -> str:
    """The backend that KERAS_BACKEND names, or else TensorFlow: Keras' own default."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


Device = Literal["auto", "cpu", "gpu"]


def choose_device(device: Device) -> None:
    """Say what to compute on, before Keras starts: it cannot be said afterwards.

    GPU memory is taken as it is needed, so that others can use the same card.

    Raises:
        TrainingError: a GPU was asked for, and the backend sees none.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["KERAS_TORCH_DEVICE"] = "cpu"
    if device == "gpu":
        start()
        if not gpus():
            raise TrainingError(
                f"the backend {named()!r} sees no GPU: `bestiary doctor` says what to install,"
                " and --device cpu trains without one"
            )


def gpus() -> list[str]:
    """The GPUs that the backend sees; Keras must have been started."""
    import keras

    if keras.backend.backend() == "torch":
        return _gpus_of_torch()
    try:
        return [str(one) for one in keras.distribution.list_devices("gpu")]
    except (AttributeError, NotImplementedError, RuntimeError, ValueError):
        return []  # What backends say where they know of none.


def _gpus_of_torch() -> list[str]:
    """Keras lists no devices for it; it has imported torch, which no other backend needs."""
    torch = sys.modules["torch"]
    if torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["mps:0"] if torch.backends.mps.is_available() else []


def share_among_devices() -> int:
    """Let all devices share every batch from now on (data parallel); return how many they are.

    Call it before the network is built: its variables are laid out for them then.

    Raises:
        TrainingError: there is one device alone, or the backend cannot share.
    """
    start()
    import keras

    if keras.backend.backend() != "jax":
        raise TrainingError(
            f"the backend {named()!r} does not share batches among devices: KERAS_BACKEND=jax does"
        )
    devices = gpus() or keras.distribution.list_devices()
    if len(devices) < 2:
        raise TrainingError("there is one device alone: leave out --data-parallel")
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    )
    return len(devices)


def sharers() -> int:
    """How many devices share a batch: it must be a multiple of that."""
    import keras

    distribution = keras.distribution.distribution()
    return 1 if distribution is None else math.prod(distribution.device_mesh.shape)


def forget_networks() -> None:
    """Let go of what Keras remembers of networks built before: call it between trainings."""
    import keras

    keras.utils.clear_session()


def start() -> None:
    """Import Keras with the backend that KERAS_BACKEND names; a second call costs nothing.

    Raises:
        TrainingError: the backend is not installed, or does not start.
    """
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # It warns of every network after the fifth in a process, which a series of runs has.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # On a CPU TensorFlow's operations else add up in the order in which they happen to end,
    # and the same seed gives weights that differ in their last digits.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    # What ~/.keras/keras.json says is for others: our networks are built for these.
    os.environ["KERAS_BACKEND"] = named()
    try:
        with standard_error_held():
            import keras

            keras.config.set_image_data_format("channels_last")
            keras.config.set_floatx("float32")
            keras.ops.zeros(1)  # The backend says the rest of its lines at its first work.
    except (ImportError, ValueError) as error:
        raise TrainingError(
            f"Keras does not start with the backend {named()!r} ({error}):"
            " run `bestiary doctor`, or set KERAS_BACKEND to an installed one"
        ) from error


@contextlib.contextmanager
def standard_error_held() -> Iterator[None]:
    """Hold back what is written to file descriptor 2; let it go if the block fails, but not for
    a Ctrl-C: there is nothing to explain."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
