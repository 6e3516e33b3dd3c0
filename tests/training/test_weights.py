from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from training import backend, weights
from training.errors import UsageError, WeightsError
from training.models import MODELS, ModelEntry, PretrainedWeights
from training.train import origin_of

BODY = b"weights of a network"


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/weights.h5" else 404)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _entry(url: str, md5: str | None = None) -> ModelEntry:
    wanted = PretrainedWeights(file="kept.h5", url=url, digest=md5)
    return replace(MODELS["mobilenet-v2"], pretrained=wanted)


def test_weights_are_downloaded_once_into_the_cache(address: str, tmp_path: Path) -> None:
    cache = tmp_path / "models"
    md5 = hashlib.md5(BODY).hexdigest()

    path = weights.fetched(_entry(f"{address}/weights.h5", md5), cache)
    again = weights.fetched(_entry("http://127.0.0.1:9/never-asked"), cache)

    assert path == again == cache / "kept.h5"
    assert path.read_bytes() == BODY


def test_a_damaged_file_in_the_cache_is_fetched_again(address: str, tmp_path: Path) -> None:
    md5 = hashlib.md5(BODY).hexdigest()
    (tmp_path / "kept.h5").write_bytes(b"half of the wei")

    path = weights.fetched(_entry(f"{address}/weights.h5", md5), tmp_path)

    assert path.read_bytes() == BODY


def test_a_damaged_file_in_the_cache_is_told_where_none_can_be_fetched(tmp_path: Path) -> None:
    (tmp_path / "kept.h5").write_bytes(b"half of the wei")

    with pytest.raises(
        WeightsError, match=r"kept\.h5 is not the file that Keras publishes, and that cannot be"
    ):
        weights.fetched(_entry("http://127.0.0.1:9/weights.h5", "0" * 32), tmp_path)
    assert (tmp_path / "kept.h5").read_bytes() == b"half of the wei"


def test_what_is_known_of_first_weights_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "some.h5").write_bytes(BODY)

    assert origin_of(MODELS["resnet50"], None) == {}
    assert origin_of(MODELS["resnet50"], tmp_path / "some.h5") == {
        "first_weights_sha256": hashlib.sha256(BODY).hexdigest(),
        "first_weights_licence": "MIT",
    }


@pytest.mark.parametrize(
    ("path", "md5", "why"),
    [("/weights.h5", "0" * 32, "not the published file"), ("/gone.h5", None, "404")],
)
def test_a_download_that_fails_leaves_nothing_and_says_which_file_goes_where(
    address: str, tmp_path: Path, path: str, md5: str | None, why: str
) -> None:
    with pytest.raises(WeightsError, match=why) as caught:
        weights.fetched(_entry(f"{address}{path}", md5), tmp_path)

    assert f"download {address}{path} elsewhere" in str(caught.value)
    assert f"put it into {tmp_path}" in str(caught.value)
    assert "--weights none" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_message_is_short(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot be fetched \(no connection\)"):
        weights.fetched(_entry("http://127.0.0.1:9/weights.h5"), tmp_path)


def test_weights_are_for_networks_with_a_backbone() -> None:
    assert weights.meant(MODELS["cifar-vgg"], None) == "none"
    assert weights.meant(MODELS["resnet50"], None) == "imagenet"
    assert weights.meant(MODELS["resnet50"], "some.h5") == "some.h5"
    with pytest.raises(UsageError, match="begins from random weights"):
        weights.meant(MODELS["scratch-224"], "imagenet")


def test_a_file_of_weights_goes_into_the_backbone(tmp_path: Path) -> None:
    backend.start()
    entry = MODELS["mobilenet-v2"]
    one, other = (entry.build(side_px=32, classes=2) for _ in range(2))
    one.get_layer("backbone").save_weights(tmp_path / "some.weights.h5")

    path = weights.file_of(entry, str(tmp_path / "some.weights.h5"), cache=tmp_path)
    assert path is not None
    weights.load(other, entry, path)

    kernels = [net.get_layer("backbone").get_layer("Conv1").kernel.numpy() for net in (one, other)]
    assert np.array_equal(*kernels)


@pytest.mark.parametrize("place", [0, 6_000, 12_000])  # Each has h5py raise something else.
def test_a_damaged_file_of_weights_is_told_wherever_it_was_hit(tmp_path: Path, place: int) -> None:
    backend.start()
    entry = MODELS["mobilenet-v2-035"]
    network = entry.build(side_px=32, classes=2)
    path = tmp_path / "some.weights.h5"
    network.get_layer("backbone").save_weights(path)
    body = np.frombuffer(path.read_bytes(), np.uint8).copy()
    body[place : place + 3_000] ^= 0xFF
    path.write_bytes(body.tobytes())

    with pytest.raises(WeightsError, match="without its top, or is damaged: it wants a file like"):
        weights.load(network, entry, path)


def test_real_imagenet_weights_fit_the_transfer_network(shared: Path) -> None:
    path = shared / "weights" / "mobilenet_v2_1.0_224_no_top.rebuilt.h5"
    if not path.is_file():
        pytest.skip("the real weights are not there")
    backend.start()
    entry = MODELS["mobilenet-v2"]
    network = entry.build(classes=2)
    before = network.get_layer("backbone").get_layer("Conv1").kernel.numpy()

    weights.load(network, entry, path)

    after = network.get_layer("backbone").get_layer("Conv1").kernel.numpy()
    assert not np.array_equal(before, after)


def test_a_whole_model_is_no_file_of_weights(tmp_path: Path) -> None:
    (tmp_path / "foreign.keras").write_bytes(b"anything")

    with pytest.raises(WeightsError, match="could run code when it is loaded: --weights takes"):
        weights.file_of(MODELS["mobilenet-v2"], str(tmp_path / "foreign.keras"), cache=tmp_path)


def test_a_file_that_lacks_parts_of_the_network_is_told_in_one_sentence(tmp_path: Path) -> None:
    backend.start()
    entry = MODELS["mobilenet-v2-035"]
    path = tmp_path / "some.weights.h5"
    MODELS["cifar-cnn"].build(classes=2).save_weights(path)
    network = entry.build(side_px=32, classes=2)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(WeightsError, match="does not hold the weights of mobilenet-v2-035"):
            weights.load(network, entry, path)

    assert not [one for one in said if "initialized" in str(one.message)]
