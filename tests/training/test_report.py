from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from tests.training.making import Trained
from training.charts import charts
from training.evaluate import evaluate
from training.history import Epoch
from training.report import write_report
from training.run import Run
from training.suspects import Suspect


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_report_is_complete_in_itself_and_says_how_far_to_trust_it(trained: Trained) -> None:
    page = (trained.root / "report.html").read_text()

    addresses = _Addresses()
    addresses.feed(page)
    assert all(address.startswith(("data:", "#")) for address in addresses.found)
    assert "url(" not in page
    assert trained.dataset.lock_digest in page
    assert re.search(r"n = 14<br>\s*95\s% interval \d+–\d+\s%", page)
    assert "Always saying hamster" in page


def test_what_counts_stands_first_where_a_small_screen_cuts(trained: Trained) -> None:
    page = (trained.root / "report.html").read_text()

    (heads,) = re.findall(r'<table class="trust">\s*<thead><tr>(.*?)</tr>', page)
    assert re.findall(r"<th>(\w+) \(n = (\d+)\)", heads) == [("test", "14"), ("val", "14")]


def test_the_page_does_not_promise_the_licence_of_a_file_of_one_s_own(
    trained: Trained, tmp_path: Path
) -> None:
    run = Run.open(trained.root)
    evaluations = evaluate(run, trained.dataset, run.load_network(), with_baseline=False)
    known = {"first_weights_sha256": "ef" * 32, "first_weights_licence": "MIT"}
    recipe = replace(run.record.recipe, weights="a.h5")

    copy = Run(tmp_path, replace(run.record, recipe=recipe, **known))
    write_report(copy, trained.dataset, evaluations)

    page = (tmp_path / "report.html").read_text()
    assert "weights, if the file named is what Keras publishes: MIT</dd>" in page


def test_the_page_shows_what_is_doubted_and_says_of_how_many(
    trained: Trained, tmp_path: Path
) -> None:
    run = Run.open(trained.root)
    evaluations = evaluate(run, trained.dataset, run.load_network(), with_baseline=False)
    digest = evaluations["test"].digests[0]
    doubted = Suspect(
        digest=digest, species="hamster", to="mouse", of_label=0.1, of_other=0.9, split="test"
    )

    copy = Run(tmp_path, run.record)
    write_report(copy, trained.dataset, evaluations, suspects=[doubted])
    page = (tmp_path / "report.html").read_text()
    assert "doubts the label of 1 of the 28 validation and test pictures" in page
    assert re.search(rf'<img src="data:[^"]+" alt="hamster"[^>]*><code>{digest[:12]}', page)

    write_report(copy, trained.dataset, evaluations, suspects=None)
    assert "its doubts are worth nothing" in (tmp_path / "report.html").read_text()


def test_without_validation_pictures_nothing_chose_and_nothing_was_calibrated(
    trained: Trained, tmp_path: Path
) -> None:
    run = Run.open(trained.root)
    evaluations = evaluate(run, trained.dataset, run.load_network(), with_baseline=False)
    recipe = replace(run.record.recipe, monitor="accuracy")

    copy = Run(tmp_path, replace(run.record, recipe=recipe, calibration=None))
    write_report(copy, trained.dataset, {"test": evaluations["test"]})

    page = (tmp_path / "report.html").read_text()
    assert ", the last</p>" in page
    assert "it never says unknown" in page


def test_the_report_of_a_plain_recipe_does_not_say_that_pictures_were_varied(
    trained: Trained,
) -> None:
    page = (trained.root / "report.html").read_text()

    assert "Training figures are of pictures under dropout" in page
    assert "varied pictures" not in page
    assert "\N{NO-BREAK SPACE}%" in page
    assert " %" not in page, "no line ends before a sign"


def test_a_chart_spans_its_frame_and_leaves_out_what_was_not_measured() -> None:
    history = tuple(Epoch(epoch=n, loss=4.0 / n, accuracy=n / 4) for n in (1, 2, 3, 4))

    loss, accuracy = charts(history, best_epoch=4)

    assert [curve.name for curve in loss.curves] == ["training"]
    assert loss.curves[0].points.startswith("0.0,0.0 ")
    assert accuracy.curves[0].points.endswith(f" {accuracy.width:.1f},0.0")
    assert accuracy.best_x == accuracy.width
