from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from scraper.errors import UsageError
from scraper.harvest import Candidate
from scraper.sources.urls import UrlsSource
from scraper.species import Species

ROWS = [
    {"url": "http://x/1.jpg", "species": "mouse", "title": "Ein Mäuschen", "licence": "CC-BY-4.0"},
    {"url": "http://x/2.jpg", "species": "rat", "title": "", "licence": ""},
    {"url": "http://x/3.jpg", "species": "mouse", "title": 'a, "b"', "licence": ""},
]


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"list{suffix}"
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    elif suffix in {".jsonl", ".ndjson"}:
        path.write_text("\n\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    else:
        mark = "," if suffix == ".csv" else "\t"
        lines = [
            mark.join(f'"{v.replace(chr(34), chr(34) * 2)}"' for v in r.values()) for r in ROWS
        ]
        path.write_text("\n".join([mark.join(ROWS[0]), *lines]), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"])
def test_every_format_gives_the_same_candidates(tmp_path: Path, suffix: str) -> None:
    source = UrlsSource(write(tmp_path, suffix))

    (query,) = source.queries(Species(name="mouse"))
    (batch,) = source.search(query, wanted=1)

    assert source.species == ("mouse", "rat")
    assert batch.candidates == (
        Candidate(image_url="http://x/1.jpg", title="Ein Mäuschen", licence="CC-BY-4.0"),
        Candidate(image_url="http://x/3.jpg", title='a, "b"'),
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "url,kind\nx,y", "has no column 'species', only: url, kind"),
        ("a.csv", "", "has no column 'url', only: nothing"),
        ("a.csv", "url,species\n", "lists nothing"),
        ("a.csv", "url,species\nx,mouse\n,mouse", "row 2 of .* has no url"),
        ("a.csv", "url,species\nx", "row 1 of .* has no species"),
        ("a.csv", "url,species\nx,a/b", "row 1 of .*cannot be a folder's name"),
        ("a.jsonl", '{"url": "x", "species": "y"}\n{', "line 2 of .* is not JSON"),
        ("a.jsonl", "[1]", "line 1 of .* is not an object"),
        ("a.parquet", "no", "cannot read .* as Parquet"),
        ("a.xlsx", "no", "name it .csv, .tsv, .jsonl, .ndjson, .parquet"),
    ],
)
def test_what_is_wrong_with_a_list_is_named(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(UsageError, match=message):
        UrlsSource(path)


def test_a_list_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"url,species\nx,caf\xe9")

    with pytest.raises(UsageError, match=r"cannot read .*a.csv: 'utf-8' codec"):
        UrlsSource(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_missing_list_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        UrlsSource(tmp_path / f"nowhere{suffix}")


def test_a_species_that_is_not_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lists no 'cat', only: mouse, rat"):
        UrlsSource(write(tmp_path, ".csv")).queries(Species(name="cat"))


def test_species_that_differ_in_case_alone_are_both_named(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("url,species\nhttp://h/a,Hamster\nhttp://h/b,hamster\n")

    with pytest.raises(UsageError, match=r"list.csv: 'Hamster' and 'hamster' would be one folder"):
        UrlsSource(table)
