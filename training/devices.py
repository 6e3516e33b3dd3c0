"""What training runs on, for `bestiary doctor`."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from training import backend
from training.errors import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    how_to_mend: str = ""
    """Empty when it is well."""


def check() -> Iterator[Check]:
    """Look at Keras, its backend and its devices. This imports them: seconds."""
    yield _version(backend.named(), f"pip install {backend.named()}")
    try:
        backend.start()
    except TrainingError as error:
        yield Check(
            name="keras",
            ok=False,
            detail=str(error),
            how_to_mend=f"pip install --upgrade keras {backend.named()}",
        )
        return
    yield _keras()
    yield _devices()
    yield _others()


def _version(package: str, how_to_mend: str) -> Check:
    if not _is_installed(package):
        return Check(name=package, ok=False, detail="is not installed", how_to_mend=how_to_mend)
    return Check(name=package, ok=True, detail=metadata.version(package))


BACKENDS = ("tensorflow", "jax", "torch")
EXTRAS = {
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "litert": ("ai-edge-litert",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow-skinny",),
    "heic": ("pillow-heif",),
    "deep-jpeg": ("imagecodecs",),
    "ray": ("ray",),
}
"""What `pip install 'bestiary[EXTRA]'` brings, but for backends."""


def _others() -> Check:
    """What else is there: nothing of it is needed."""
    backends = [name for name in BACKENDS if _is_installed(name)]
    there = [name for name, packages in EXTRAS.items() if all(map(_is_installed, packages))]
    missing = [name for name in EXTRAS if name not in there]
    parts = [f"backends for KERAS_BACKEND: {', '.join(backends)}"]
    parts.append(f"extras: {', '.join(there) or 'none'}")
    if missing:
        parts.append(
            f"pip install 'bestiary[{','.join(missing)}]', or in a clone make extra"
            f" EXTRA={','.join(missing)}, brings the others"
        )
    return Check(name="optional", ok=True, detail="; ".join(parts))


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _keras() -> Check:
    import keras

    return Check(
        name="keras", ok=True, detail=f"{keras.__version__}, backend {keras.backend.backend()}"
    )


MEND = {
    "tensorflow": "pip install 'bestiary[gpu]', or in a clone make extra EXTRA=gpu",
    "jax": "pip install 'jax[cuda12]'",
    "torch": "install a torch that was built for CUDA, as https://pytorch.org/get-started says",
}
"""What makes a backend see an NVIDIA card."""


def _devices() -> Check:
    processor = platform.processor() or platform.machine()
    if found := backend.gpus():
        return Check(name="devices", ok=True, detail=", ".join(found))
    if shutil.which("nvidia-smi"):
        return Check(
            name="devices",
            ok=False,
            detail=f"there is an NVIDIA card, and the backend {backend.named()!r} does not see it",
            how_to_mend=MEND[backend.named()],
        )
    return Check(name="devices", ok=True, detail=f"CPU alone ({processor}): all works, slowly")
