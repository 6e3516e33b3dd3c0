"""Pre-trained weights: from a file, else Keras' cache, else the network, else one clear word."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import requests

from training.errors import UNREADABLE, UsageError, WeightsError
from training.models import ModelEntry, PretrainedWeights

IMAGENET, NONE = "imagenet", "none"


def keras_cache() -> Path:
    """Where Keras keeps weights that it downloaded."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def meant(entry: ModelEntry, given: str | None) -> str:
    """What a choice of weights comes to: `imagenet`, `none`, or the path of a file or folder.

    Raises:
        UsageError: weights were named for a network that has no backbone.
    """
    if entry.pretrained is None:
        if given not in {None, NONE}:
            raise UsageError(f"{entry.name} begins from random weights: leave out --weights")
        return NONE
    return given or IMAGENET


def file_of(entry: ModelEntry, choice: str, *, cache: Path) -> Path | None:
    """The file with a network's first weights; None where it begins from random ones.

    Args:
        entry: The network.
        choice: As `meant` returned it.
        cache: The folder of Keras' cache that holds weights; a download lands there.

    Raises:
        WeightsError: there is no such file, or nothing could be fetched.
    """
    if choice == NONE or entry.pretrained is None:
        return None
    path = fetched(entry, cache) if choice == IMAGENET else Path(choice)
    if path.is_dir():
        return _in_folder(entry.name, entry.pretrained, path)
    if not path.is_file():
        raise WeightsError(
            f"there is no file {path}: --weights takes a file, a folder of such files, imagenet"
            " or none"
        )
    if path.suffix == ".keras":
        raise WeightsError(
            f"{path} is a whole model, which could run code when it is loaded: --weights takes a"
            " file of weights alone (.h5)"
        )
    return path


def _in_folder(name: str, wanted: PretrainedWeights, folder: Path) -> Path:
    named = folder / wanted.file
    others = sorted(folder.glob(wanted.also)) if wanted.also else []
    for path in (named, *others):
        if path.is_file():
            return path
    raise WeightsError(f"{folder} has no weights of {name}: it wants a file {wanted.file}")


def load(network: Any, entry: ModelEntry, path: Path) -> None:
    """Give the backbone of `network` its first weights.

    Raises:
        WeightsError: the file holds those of another network, or none, or is damaged.
    """
    assert entry.pretrained is not None
    try:
        take(network.get_layer("backbone"), path)
    except UNREADABLE as error:
        raise WeightsError(
            f"{path} does not hold the weights of {entry.name} without its top, or is damaged:"
            f" it wants a file like {entry.pretrained.url}"
        ) from error


def take(network: Any, path: Path) -> None:
    """Give a network, or a part of one, the numbers in a file.

    Raises:
        One of `UNREADABLE`: the file does not hold all of them, or others.
    """
    with warnings.catch_warnings():
        # Of parts that a file lacks Keras only warns, part by part, and leaves them random.
        warnings.filterwarnings("error", message="(?s).*freshly-initialized")
        try:
            network.load_weights(path)
        except UserWarning as error:
            raise ValueError("parts of the network are not in it") from error


def fetched(entry: ModelEntry, cache: Path) -> Path:
    """The file of a network's ImageNet weights in the cache, downloaded if it is not there, or is
    not the published file (where Keras publishes a digest).

    Raises:
        WeightsError: it could not be; the message says which file goes where.
    """
    wanted = entry.pretrained
    assert wanted is not None
    path = cache / wanted.file
    is_there = path.is_file()
    if is_there and _is_published(wanted, path):
        return path
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _download(wanted, path)
    except (OSError, requests.RequestException) as error:
        found = (
            f"{path} is not the file that Keras publishes, and that"
            if is_there
            else f"the ImageNet weights of {entry.name} are not in the cache and"
        )
        raise WeightsError(
            f"{found} cannot be fetched ({_in_short(error)}): download {wanted.url}"
            f" elsewhere and either name the file with --weights or put it into {cache};"
            " --weights none begins from random weights"
        ) from error
    return path


def _is_published(wanted: PretrainedWeights, path: Path) -> bool:
    if wanted.digest is None:
        return True
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: _hasher(wanted))
    return found.hexdigest() == wanted.digest


def _hasher(wanted: PretrainedWeights) -> Any:
    # What Keras publishes; TLS vouches for the rest.
    kind = "sha256" if len(wanted.digest or "") == 64 else "md5"
    return hashlib.new(kind, usedforsecurity=False)


def _download(wanted: PretrainedWeights, path: Path) -> None:
    digest = _hasher(wanted)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        unready = Path(file.name)
        try:
            with requests.get(wanted.url, stream=True, timeout=30) as answer:
                answer.raise_for_status()
                for piece in answer.iter_content(2**20):
                    digest.update(piece)
                    file.write(piece)
            if wanted.digest not in {None, digest.hexdigest()}:
                raise OSError("what arrived is not the published file")
        except BaseException:
            unready.unlink()
            raise
    unready.replace(path)


def _in_short(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.Timeout):
        return "no answer in 30 s"
    return str(error)
