from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
import requests
from click.testing import CliRunner

from scraper.errors import UsageError
from scraper.standin.commands import draw, standin

RUN = """
import json, signal, sys
from scraper.standin.commands import standin
signal.signal(signal.SIGINT, signal.default_int_handler)  # Tests may run where it is ignored.
document, text = standin.main(sys.argv[1:], standalone_mode=False)
print(json.dumps(document))
print(text, file=sys.stderr)
"""


@click.group()
@click.option("--quiet", is_flag=True)
@click.pass_context
def group(ctx: click.Context, quiet: bool) -> None:
    ctx.meta["bestiary.quiet"] = quiet


group.add_command(draw)
group.add_command(standin)


def run(*arguments: object, group: click.Group = group) -> tuple[dict[str, object], str]:
    return group.main([str(argument) for argument in arguments], standalone_mode=False)


def test_draw_draws_and_tells_what(tmp_path, capsys):
    document, text = run("--quiet", "draw", tmp_path / "new", "--per-species", 1, "--seed", 4)
    with (tmp_path / "new" / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert document["files"] == len(rows)
    assert document["recipe"]["seed"] == 4
    assert sum(document["kinds"].values()) == sum(document["species"].values()) == len(rows)
    assert text.startswith(f"Drew {len(rows)} files into {tmp_path / 'new'}: ")
    assert capsys.readouterr() == ("", "")


def test_draw_shows_progress_on_stderr_alone(tmp_path, capsys):
    run("draw", tmp_path / "new", "--per-species", 1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Drawing" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("draw", "{}", "--per-species", "0"), "--per-species must be at least 1"),
        (("draw", "{}/full"), "is not empty"),
        (("standin", "{}/nowhere"), "No such file"),
        (("standin", "{}/full/dog"), "nothing to serve"),
        (("standin", "{}/full", "--share-dead", "1.5"), "must not pass 1"),
        (("standin", "{}/full", "--image-hosts", "0"), "image hosts must be"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(tmp_path, arguments, message):
    (tmp_path / "full" / "dog").mkdir(parents=True)
    with pytest.raises(UsageError, match=message) as caught:
        run(*(argument.format(tmp_path) for argument in arguments))
    assert "\n" not in str(caught.value)


def test_help_tells_every_switch_with_its_default():
    text = CliRunner().invoke(group, ["standin", "--help"]).output
    for option in ("--block-after", "--block-for", "--consent", "--share-429", "--slow"):
        assert option in text
    assert "default: interstitial" in text


def test_standin_serves_until_it_is_interrupted(tmp_path: Path):
    (tmp_path / "house mouse").mkdir()
    (tmp_path / "house mouse" / "1.jpg").write_bytes(b"")
    command = [sys.executable, "-W", "error", "-c", RUN, tmp_path, "--port", "0"]
    with subprocess.Popen(
        [*command, "--consent", "off", "--block-after", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        invitation = "".join(process.stderr.readline() for _ in range(3))
        address = re.search(r"http://127\.0\.0\.1:\d+", invitation)
        assert address, invitation
        search = f"{address[0]}/search?q=house+mouse&udm=2"
        assert [requests.get(search, timeout=30).status_code for _ in range(2)] == [200, 429]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert document["base_url"] == address[0]
    assert document["statuses"] == {"200": 1, "302": 1, "429": 1}
    assert document["faults"]["block_after"] == 1
    scrape = f"bestiary scrape 'house mouse' --base-url {address[0]} --allow-host 127.0.0.0/8"
    assert scrape in invitation
    assert "Traceback" not in err
    assert "Answered 3 requests: 1 × 200, 1 × 302, 1 × 429." in err
