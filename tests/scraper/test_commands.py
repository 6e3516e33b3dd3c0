from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from scraper.commands import scrape
from scraper.errors import BlockedError, BrowserError, LayoutError, ScraperError, UsageError
from scraper.harvest import Harvest
from scraper.harvest_commands import harvest as harvest_command
from scraper.standin.faults import Faults
from scraper.standin.site import Site
from tests.fakes import ImageServer, Reply, png
from tests.scraper import google_pages

needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="no Chromium with its driver on this machine",
)
LOOPBACK = ("--allow-host", "127.0.0.0/8", "--pause", "0")


def run(*words: object) -> Result:
    return CliRunner().invoke(scrape, [str(word) for word in words], standalone_mode=False)


def document(*words: object) -> dict[str, Any]:
    result = run(*words)
    if result.exception is not None:
        raise result.exception
    found, text = result.return_value
    assert json.loads(json.dumps(found)) == found
    assert isinstance(text, str)
    return dict(found)


def counts(**given: int | None) -> dict[str, int | None]:
    return {"kept": 0, "skipped": 0, "failed": 0, "pending": 0, "wanted": None, **given}


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with ImageServer() as running:
        yield running


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Class folders: two species, one broken image, one file that is none."""
    root = tmp_path / "photos"
    for number, species in enumerate(("mouse", "mouse", "mouse", "rat")):
        (root / species).mkdir(parents=True, exist_ok=True)
        (root / species / f"{number}.png").write_bytes(png(number))
    (root / "rat" / "broken.jpg").write_bytes(b"")
    (root / "rat" / "notes.txt").write_text("hello")
    return root


def test_a_folder_is_gathered_as_it_is(tmp_path: Path, photos: Path) -> None:
    found = document("--source", "folder", "--from", photos, "--harvest", tmp_path / "h")

    assert found["species"] == {"mouse": counts(kept=3), "rat": counts(kept=2, skipped=1)}
    assert found["reasons"] == {"not an image: text": 1}
    assert found["blocked"] is None


def test_a_folder_whose_path_is_not_utf_8_is_gathered(tmp_path: Path, photos: Path) -> None:
    source = photos.rename(tmp_path / os.fsdecode(b"src\xff"))

    words = ("--source", "folder", "--from", source)
    found = document(*words, "--harvest", tmp_path / os.fsdecode(b"h\xff"))

    assert found["species"]["mouse"] == counts(kept=3)


def test_a_second_run_must_write_a_species_as_the_first_did(tmp_path: Path, photos: Path) -> None:
    words = ("--source", "folder", "--from", photos, "--harvest", tmp_path / "h")
    document(*words)
    (photos / "mouse").rename(photos / "Mouse")

    result = run(*words)

    assert isinstance(result.exception, UsageError)
    assert "'mouse' and 'Mouse' would be one folder on some systems" in str(result.exception)


def test_only_the_named_species_are_taken(tmp_path: Path, photos: Path) -> None:
    found = document("rat", "--source", "folder", "--from", photos, "--harvest", tmp_path / "h")

    assert list(found["species"]) == ["rat"]


def test_a_folder_can_be_taken_in_part(tmp_path: Path, photos: Path) -> None:
    words = ("--source", "folder", "--from", photos, "--harvest", tmp_path / "h")

    found = document(*words, "--per-species", 1)

    assert found["species"]["mouse"] == counts(kept=1, pending=2, wanted=1)


def moving_gif() -> bytes:
    file = BytesIO()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=50)
    return file.getvalue()


def test_animations_are_kept_and_marked_or_skipped_on_request(tmp_path: Path, photos: Path) -> None:
    (photos / "rat" / "moving.gif").write_bytes(moving_gif())
    words = ("--source", "folder", "--from", photos, "--harvest", tmp_path / "h")

    stills = document(*words, "--no-animated")
    assert stills["species"]["rat"] == counts(kept=2, skipped=2)
    assert stills["reasons"]["animated (without --no-animated it is kept)"] == 1
    everything = document(*words)

    assert everything["species"]["rat"] == counts(kept=3, skipped=1)
    with Harvest.open(tmp_path / "h") as harvest:
        moving = [one.candidate.address for one in harvest.records("kept") if one.is_animated]
    assert [Path(address).name for address in moving] == ["moving.gif"]
    shown, text = (
        CliRunner()
        .invoke(harvest_command, [str(tmp_path / "h")], standalone_mode=False)
        .return_value
    )
    assert shown["animated"] == 1
    assert "animated: 1 image, used with the first frame alone" in text


def listed(folder: Path, server: ImageServer, number: int) -> Path:
    """A list of images on a server; every seventh is dead."""
    paths = [f"/{n}.png" for n in range(number)]
    for n, path in enumerate(paths):
        if n % 7 != 3:
            server.script[path] = [Reply(body=png(n), wait_s=0.01)]
    rows = [f"{server.url(path)},{('mouse', 'rat')[n % 2]}" for n, path in enumerate(paths)]
    table = folder / "list.csv"
    table.write_text("\n".join(["url,species", *rows]))
    return table


def test_a_list_is_downloaded_and_a_second_run_asks_for_nothing(
    tmp_path: Path, server: ImageServer
) -> None:
    words = (
        "--source",
        "urls",
        "--from",
        listed(tmp_path, server, 20),
        "--harvest",
        tmp_path / "h",
    )

    first = document(*words, *LOOPBACK)
    asked = len(server.hits)
    second = document(*words, *LOOPBACK)

    assert first["species"] == {"mouse": counts(kept=9, failed=1), "rat": counts(kept=8, failed=2)}
    assert first["reasons"] == {"HTTP 404 Not Found": 3}
    assert second == first
    assert len(server.hits) == asked == 20 + len(["robots.txt"])


def test_failed_images_are_asked_again_on_request(tmp_path: Path, server: ImageServer) -> None:
    words = ("--source", "urls", "--from", listed(tmp_path, server, 8), "--harvest", tmp_path / "h")
    document(*words, *LOOPBACK)
    server.script["/3.png"] = [Reply(body=png(3))]

    found = document(*words, *LOOPBACK, "--retry-failed")

    assert sum(species["kept"] for species in found["species"].values()) == 8


@pytest.mark.parametrize("options", [(), ("--retry-failed",)])
def test_lost_originals_are_gathered_again(
    tmp_path: Path, photos: Path, options: tuple[str, ...]
) -> None:
    words = ("mouse", "--source", "folder", "--from", photos, "--harvest", tmp_path / "h")
    document(*words)
    gone, cut, *_ = originals = sorted((tmp_path / "h" / "images").glob("*/*"))
    before = [path.read_bytes() for path in originals]
    gone.unlink()
    cut.chmod(0o600)
    cut.write_bytes(b"cut")

    found = document(*words, *options)

    assert found["species"]["mouse"] == counts(kept=3)
    assert [path.read_bytes() for path in originals] == before


def test_originals_that_are_gone_altogether_are_gathered_again(
    tmp_path: Path, photos: Path
) -> None:
    words = ("--source", "folder", "--from", photos, "--harvest", tmp_path / "h")
    first = document(*words)
    shutil.rmtree(tmp_path / "h" / "images")

    assert document(*words) == first
    assert len(list((tmp_path / "h" / "images").glob("*/*"))) == 5


def test_originals_whose_bytes_have_changed_are_replaced_on_request(
    tmp_path: Path, photos: Path
) -> None:
    words = ("mouse", "--source", "folder", "--from", photos, "--harvest", tmp_path / "h")
    document(*words)
    changed, *_ = (tmp_path / "h" / "images").glob("*/*")
    before = changed.read_bytes()
    changed.chmod(0o600)
    changed.write_bytes(before[::-1])

    document(*words, "--retry-failed")

    assert changed.read_bytes() == before


def test_hosts_that_were_refused_are_asked_once_they_are_allowed(
    tmp_path: Path, server: ImageServer
) -> None:
    words = ("--source", "urls", "--from", listed(tmp_path, server, 2), "--harvest", tmp_path / "h")
    refused = run(*words, "--pause", 0)
    assert isinstance(refused.exception, ScraperError)
    assert "(--allow-host 127.0.0.1 allows it)" in str(refused.exception)

    found = document(*words, *LOOPBACK)

    assert [species["kept"] for species in found["species"].values()] == [1, 1]


def test_images_that_were_too_large_are_asked_for_under_another_limit(
    tmp_path: Path, photos: Path
) -> None:
    words = ("mouse", "--source", "folder", "--from", photos, "--harvest", tmp_path / "h")
    refused = run(*words, "--max-bytes", 10)
    assert str(refused.exception).endswith("more than 10 bytes (--max-bytes allows more))")

    assert document(*words)["species"]["mouse"] == counts(kept=3)


def test_a_server_sees_one_request_at_a_time_and_the_pause_between(
    tmp_path: Path, server: ImageServer
) -> None:
    words = (
        "--source",
        "urls",
        "--from",
        listed(tmp_path, server, 12),
        "--harvest",
        tmp_path / "h",
    )

    document(*words, *LOOPBACK[:2], "--pause", 0.05)

    rests = [later.began - earlier.ended for earlier, later in pairwise(server.hits)]
    assert len(rests) == len(["robots.txt"]) + 11
    assert min(rests) >= 0.05


def _kept(root: Path) -> list[tuple[str, str, str | None]]:
    with Harvest.open(root) as harvest:
        records = list(harvest.records("kept"))
        for record in records:
            assert harvest.path(str(record.sha256)).is_file()
    return [(record.species, record.candidate.image_url, record.sha256) for record in records]


# --- the search site -------------------------------------------------------------------


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gallery")
    for species in ("rat", "mouse", "weasel"):
        (root / species).mkdir()
        for number in range(60):
            name = f"{number:02}.png"
            (root / species / name).write_bytes(png(1000 * len(species) + number, side_px=48))
    return root


def site_words(site: Site, harvest: Path) -> tuple[str, ...]:
    return ("--base-url", site.base_url, "--harvest", str(harvest), *LOOPBACK)


@needs_browser
@pytest.mark.parametrize("consent", ["interstitial", "overlay"])
def test_a_real_browser_gathers_from_a_real_site(
    tmp_path: Path, gallery: Path, consent: Any
) -> None:
    with Site(gallery, faults=Faults(consent=consent, share_hover_only=0.2)) as site:
        found = document("mouse", "rat", "--per-species", 55, *site_words(site, tmp_path / "h"))
        offered = {offer.image_url: offer for offer in site.offers()}

    assert found["species"]["mouse"] == counts(kept=55, pending=5, wanted=55)
    assert found["species"]["rat"] == counts(kept=55, pending=5, wanted=55)
    with Harvest.open(tmp_path / "h") as harvest:
        for record in harvest.records("kept"):
            offer = offered[record.candidate.image_url]
            assert harvest.path(str(record.sha256)).read_bytes() == offer.path.read_bytes()
            assert (record.species, record.candidate.page_url) == (offer.species, offer.page_url)


@needs_browser
def test_a_block_keeps_everything_and_says_when_and_how_to_resume(
    tmp_path: Path, gallery: Path
) -> None:
    with Site(gallery, faults=Faults(block_after=3, block_for_s=0.5)) as site:
        words = ("mouse", "rat", "weasel", "--per-species", 50, *site_words(site, tmp_path / "h"))
        result = run(*words)
        assert isinstance(result.exception, BlockedError)
        kept = _kept(tmp_path / "h")
        blocked = result.exception.document["blocked"]
        time.sleep(0.6)
        asked = len([hit for hit in site.log if hit.path.startswith("/sorry")])

    assert kept
    assert result.exception.exit_code == 3
    assert blocked["resume_after"] in str(result.exception)
    assert blocked["resume_with"].startswith("bestiary scrape mouse rat weasel --per-species 50 ")
    assert f"--base-url {site.base_url}" in blocked["resume_with"]
    assert blocked["resume_with"] in str(result.exception)
    assert asked == 1
    assert list((tmp_path / "h" / "evidence").glob("*-blocked.html"))


@needs_browser
def test_a_source_that_turned_us_away_is_not_asked_again_before_its_time(
    tmp_path: Path, gallery: Path
) -> None:
    with Site(gallery, faults=Faults(block_after=2, block_for_s=0.1)) as site:
        words = ("mouse", "rat", "--per-species", 50, *site_words(site, tmp_path / "h"))
        first = run(*words)
        asked = len([hit for hit in site.log if "/photos/" not in hit.path])
        time.sleep(0.2)
        second = run(*words)
        asked_again = len([hit for hit in site.log if "/photos/" not in hit.path])

    assert isinstance(first.exception, BlockedError)
    assert isinstance(second.exception, BlockedError)
    message = str(second.exception)
    assert re.search(r"google turned us away and is left alone for (1 h|\d+ min) more", message)
    assert "Resume after " in message
    assert "with: bestiary scrape mouse rat" in message
    assert second.exception.exit_code == 3
    assert asked_again == asked
    assert "resume-now" not in str([option.opts for option in scrape.params])


def test_the_live_site_is_not_searched_before_its_terms_are_known(tmp_path: Path) -> None:
    words = ("mouse", "--harvest", tmp_path / "h", "--driver-path", tmp_path / "none")

    refused, told = run(*words), run(*words, "--accept-terms", "google")

    assert isinstance(refused.exception, UsageError)
    assert "--accept-terms google" in str(refused.exception)
    assert isinstance(told.exception, BrowserError)  # Only then is a browser looked for.


def test_saved_pages_are_read_without_browser_or_harvest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    page = tmp_path / "page.html"
    page.write_text(google_pages.l4(google_pages.shots(7)), encoding="utf-8")

    (told,) = document("--replay", page)["pages"]

    assert (told["kind"], told["cards"], told["full_size"]) == ("results", 7, 7)
    assert sorted(tmp_path.iterdir()) == [page]


@needs_browser
def test_a_species_is_searched_for_by_all_its_names(
    tmp_path: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "species.toml").write_text(
        "[rodent]\nnames.en = ['rat']\nnames.de = ['mouse']\nfilters = {type = 'photo'}\n"
        "wanted = 80\n\n[weasel]\nwords = ['wild']\nwanted = 5\n"
    )

    with Site(gallery) as site:
        found = document(*site_words(site, tmp_path / "h"))
        asked = {hit.path for hit in site.log if "tbs=itp%3Aphoto" in hit.path}

    assert found["species"]["rodent"] == counts(kept=80, pending=40, wanted=80)
    assert found["species"]["weasel"]["kept"] == 5
    yields = [(one["query"], one["found"], one["new"], one["kept"]) for one in found["sources"]]
    assert yields[:2] == [("rat [itp:photo]", 60, 60, 40), ("mouse [itp:photo]", 60, 60, 40)]
    assert yields[2][0] == "weasel wild"
    assert len(asked) == 2


@needs_browser
def test_a_page_that_nobody_can_read_is_kept_and_can_be_replayed(
    tmp_path: Path, server: ImageServer
) -> None:
    page = Reply(body=google_pages.NEW_LAYOUT.encode(), headers={"Content-Type": "text/html"})
    server.script["/search?q=mouse&udm=2&hl=en"] = [page]

    words = ("--base-url", server.url(""), "--harvest", tmp_path / "h")
    result = run("mouse", *words, "--patience", 1)

    assert isinstance(result.exception, LayoutError)
    assert result.exception.exit_code == 1
    text, picture = sorted((tmp_path / "h" / "evidence").iterdir())
    assert str(text) in str(result.exception)
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = run("--replay", text)
    assert isinstance(again.exception, LayoutError)
    assert again.exception.document["pages"][0]["url"].startswith(server.url("/search"))


@needs_browser
def test_a_species_that_nobody_knows_is_said(tmp_path: Path, gallery: Path) -> None:
    with Site(gallery) as site:
        result = run("zebra", *site_words(site, tmp_path / "h"))

    assert isinstance(result.exception, ScraperError)
    assert str(result.exception) == (
        "no image was gathered (zebra: 0 candidates, no results): try other names"
    )


@needs_browser
def test_a_site_that_is_not_there_is_said(tmp_path: Path) -> None:
    with ImageServer() as server:
        url = server.url("")

    result = run("mouse", "--harvest", tmp_path / "h", "--base-url", url)

    assert isinstance(result.exception, BrowserError)
    assert "nothing listens there" in str(result.exception)


# --- what a user can get wrong ---------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no species given: name them"),
        (("a/b",), "cannot be a folder's name"),
        (("mouse", "--from", "x"), "--from belongs to --source folder or urls"),
        (("--source", "folder"), "--source folder needs --from"),
        (("--source", "urls"), "--source urls needs --from"),
        (("--source", "folder", "--from", "nowhere"), "no folder at"),
        (("--source", "urls", "--from", "nowhere.csv"), "cannot read nowhere.csv"),
        (("mouse", "--base-url", "ftp://x"), "--base-url must be like"),
        (("mouse", "--pause", "-1"), "--pause must not be negative"),
        (("mouse", "--attempts", "0"), "--attempts must be at least 1"),
        (("mouse", "--timeout", "nan"), "--timeout must be more than 0"),
        (("mouse", "--allow-host", "cow"), "--allow-host wants a network"),
    ],
)
def test_requests_that_cannot_be_meant_are_explained(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    result = run(*words, "--harvest", tmp_path / "h")

    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "h").exists()


def test_a_folder_without_images_is_said_to_lack_them(tmp_path: Path) -> None:
    (tmp_path / "photos" / "mouse").mkdir(parents=True)

    result = run("--source", "folder", "--from", tmp_path / "photos", "--harvest", tmp_path / "h")

    assert str(result.exception) == (
        "no image was gathered (mouse: 0 candidates, every file was taken):"
        " put images into the class folders"
    )


def test_a_species_file_is_read(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "species.txt").write_text("# ours\nrat\n", encoding="utf-8")

    found = document(
        *("--species-file", tmp_path / "species.txt", "--source", "folder"),
        *("--from", photos, "--harvest", tmp_path / "h"),
    )

    assert list(found["species"]) == ["rat"]


def test_species_of_a_toml_file_can_be_named(tmp_path: Path, photos: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text("[rat]\nwanted = 1\n\n[mouse]\nwanted = 2\n")
    words = ("--species-file", file, "--source", "folder", "--from", photos)

    whole = document(*words, "--harvest", tmp_path / "a")
    named = document("mouse", *words, "--harvest", tmp_path / "b")
    more = document("mouse", *words, "--harvest", tmp_path / "b", "--per-species", 3)

    assert {name: one["kept"] for name, one in whole["species"].items()} == {"rat": 1, "mouse": 2}
    assert {name: one["kept"] for name, one in named["species"].items()} == {"mouse": 2}
    assert {name: one["kept"] for name, one in more["species"].items()} == {"mouse": 3}


def test_a_fault_in_species_toml_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "species.toml").write_text("[rat]\nfilters = {type = 'foto'}\n")

    result = run("mouse")

    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith("species.toml: [rat]: filters.type can be photo, ")
    assert not (tmp_path / "harvest").exists()


def test_help_is_given_without_heavy_libraries() -> None:
    script = (
        "import sys; from scraper.commands import scrape;"
        "scrape(['--help'], standalone_mode=False);"
        "assert not {'selenium', 'requests', 'pyarrow', 'PIL', 'numpy'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
