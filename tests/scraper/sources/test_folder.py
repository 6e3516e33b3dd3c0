from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scraper.errors import FetchError, UnwantedError, UsageError
from scraper.sources.folder import FolderSource, read_file
from scraper.species import Species
from tests.fakes import png


def addresses(source: FolderSource, species: str) -> list[str]:
    return [
        candidate.image_url
        for query in source.queries(Species(name=species))
        for batch in source.search(query, wanted=1)
        for candidate in batch.candidates
    ]


def write(path: Path, body: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def test_every_visible_file_is_a_candidate(tmp_path: Path) -> None:
    write(tmp_path / "mouse" / "b.jpg")
    write(tmp_path / "mouse" / "deep" / "a b#?.png")
    write(tmp_path / "mouse" / ".hidden.jpg")
    write(tmp_path / "mouse" / ".thumbs" / "c.jpg")
    write(tmp_path / ".git" / "d.jpg")
    write(tmp_path / "loose.jpg")
    source = FolderSource(tmp_path)

    assert source.species == ("mouse",)
    assert addresses(source, "mouse") == [
        (tmp_path / "mouse" / "b.jpg").as_uri(),
        (tmp_path / "mouse" / "deep" / "a b#?.png").as_uri(),
    ]


def read(path: Path, *, max_bytes: int = 10_000) -> bytes:
    return read_file(path.as_uri(), max_bytes=max_bytes).body


@pytest.mark.parametrize("name", ["ü 100%.jpg", "a#b?c.png", "no_suffix"])
def test_images_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / name, png())) == png()


@pytest.mark.parametrize("body", [b"", b"broken", png()[:40]])
def test_broken_and_empty_images_are_taken_too(tmp_path: Path, body: bytes) -> None:
    assert read(write(tmp_path / "a.JPG", body)) == body


def test_names_need_not_be_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        write(tmp_path / "mouse" / name, png())
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")

    (address,) = addresses(FolderSource(tmp_path), "mouse")

    assert address.isascii()
    assert read_file(address, max_bytes=10_000).body == png()


def test_a_folder_has_one_address_however_it_is_named(tmp_path: Path) -> None:
    write(tmp_path / "all" / "mouse" / "a.png", png())
    roundabout = tmp_path / "all" / "mouse" / ".." / ".." / "all"
    straight = addresses(FolderSource(tmp_path / "all"), "mouse")
    assert addresses(FolderSource(roundabout), "mouse") == straight
    write(tmp_path / "else" / "all" / "mouse" / "b.png", png())
    (tmp_path / "else" / "dir").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "else" / "dir")
    (address,) = addresses(FolderSource(tmp_path / "link" / ".." / "all"), "mouse")
    assert address.endswith("/b.png")


def test_other_files_are_refused_with_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(UnwantedError) as refused:
        read(write(tmp_path / "notes.txt", b"hello"))

    assert refused.value.reason == "not an image: text"


def test_files_that_are_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnwantedError, match="too large: more than 5 bytes"):
        read(write(tmp_path / "a.png", png()), max_bytes=5)


def test_a_file_that_went_away_fails(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot be read: No such file"):
        read(tmp_path / "a.png")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no folder at .*nowhere"):
        FolderSource(tmp_path / "nowhere")


def test_a_folder_without_class_folders_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg")

    with pytest.raises(UsageError, match="no class folders in"):
        FolderSource(tmp_path)


def test_a_species_without_a_folder_is_named_with_those_there_are(tmp_path: Path) -> None:
    write(tmp_path / "mouse" / "a.jpg")

    with pytest.raises(UsageError, match=r"no folder 'rat' in .*, only: mouse"):
        addresses(FolderSource(tmp_path), "rat")


@pytest.mark.parametrize("names", [("red fox", "red  fox"), ("\u00e9", "e\u0301")])
def test_folders_that_are_one_species_are_both_named(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    for name in names:
        write(tmp_path / name / "a.jpg")

    with pytest.raises(UsageError, match="are one species by their names") as refused:
        FolderSource(tmp_path)

    assert all(ascii(name) in str(refused.value) for name in names)


def test_folders_that_differ_in_case_alone_are_both_named(tmp_path: Path) -> None:
    for name in ("Hamster", "hamster"):
        write(tmp_path / name / "a.jpg")

    with pytest.raises(UsageError, match="'Hamster' and 'hamster' would be one folder"):
        FolderSource(tmp_path)


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    write(tmp_path / "mouse" / "a.jpg")
    source = FolderSource(tmp_path)
    shutil.rmtree(tmp_path / "mouse")

    with pytest.raises(UsageError, match=r"cannot read the folder .*mouse: No such file"):
        addresses(source, "mouse")


def test_paths_need_not_be_utf_8_to_be_noted(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"src\xff")
    write(root / "mouse" / "a.jpg")

    (query,) = FolderSource(root).queries(Species(name="mouse"))

    assert query.words == f"{tmp_path}/src\ufffd/mouse"


def test_pictures_in_no_class_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "mouse").mkdir()
    (tmp_path / "notes.txt").write_text("none")
    assert FolderSource(tmp_path).warnings == ()

    (tmp_path / "b.JPG").write_bytes(b"")
    (tmp_path / "a.png").write_bytes(b"")
    (warning,) = FolderSource(tmp_path).warnings
    assert warning.startswith("2 pictures lie in no class folder, and are left out: the first is")
    assert warning.endswith("a.png")
