"""What stays together in a split."""

from __future__ import annotations

from dataclasses import replace

import pytest

from curation.dataset import Row
from curation.grouping import tickets, torn_groups, warnings
from tests.curation.making import digest_of

NAMES = {digest_of(name): name for name in "abcd"}


def row(name: str, *, page: str = "", image: str = "", group: str | None = None, kept=True):
    return Row(
        digest=digest_of(name),
        species="shrew",
        page_url=page,
        image_url=image,
        group=group,
        kept=kept,
    )


def groups(rows, by):
    """Which images are together; those on their own are left out."""
    found: dict[str, list[str]] = {}
    for ticket in tickets(rows, by):
        if ticket.group is not None:
            found.setdefault(ticket.group, []).append(NAMES[ticket.digest])
    return sorted(map(sorted, found.values()))


def test_images_of_one_page_or_host_stay_together_only_if_that_is_asked_for():
    rows = [
        row("a", page="https://www.shrews.example/1"),
        row("b", page="https://shrews.example/2"),
        row("c", page="https://shrews.example/2#photo"),
        row("d", page="https://mice.example/2"),
    ]
    assert groups(rows, "look-alikes") == []
    assert groups(rows, "page") == [["b", "c"]]
    assert groups(rows, "host") == [["a", "b", "c"]]


def test_look_alikes_and_pages_chain():
    rows = [
        row("a", page="https://one.example/1", group="g"),
        row("b", page="https://two.example/1", group="g"),
        row("c", page="https://two.example/1"),
        row("d", page="https://three.example/1"),
    ]
    assert groups(rows, "look-alikes") == [["a", "b"]]
    assert groups(rows, "page") == groups(rows, "host") == [["a", "b", "c"]]


def test_the_page_of_a_dropped_copy_links_and_its_host_does_not():
    rows = [
        row("a", page="https://one.example/1", group="g"),
        row("b", page="https://two.example/1", group="g", kept=False),
        row("c", page="https://two.example/1"),
    ]
    assert groups(rows, "page") == [["a", "c"]]
    assert groups(rows, "host") == []


def test_an_image_without_a_page_has_its_own_host_and_no_page():
    rows = [row("a", image="https://x.example/1.jpg"), row("b", image="https://x.example/2.jpg")]
    assert groups(rows, "page") == []
    assert groups(rows, "host") == [["a", "b"]]
    files = [row("a", image="/home/me/1.jpg"), row("b", image="/home/me/2.jpg")]
    assert groups(files, "host") == []


@pytest.mark.parametrize("by", ["look-alikes", "page", "host"])
def test_a_leak_is_found_in_a_manifest_alone(by):
    rows = [
        row("a", page="https://one.example/1", group="g"),
        row("b", page="https://one.example/1", group="g"),
        row("c", page="https://one.example/1"),
    ]
    together = [replace(one, split="train") for one in rows]
    assert torn_groups(together, by) == ()
    torn = [together[0], replace(together[1], split="test"), together[2]]
    (found,) = torn_groups(torn, by)
    assert {NAMES[digest] for digest in found} == set("ab" if by == "look-alikes" else "abc")


def test_an_image_that_only_its_dropped_copy_ties_is_torn_with_it():
    rows = [
        row("a", page="https://one.example/1", group="g"),
        row("b"),
        replace(row("b", page="https://one.example/1", group="g", kept=False), species="mouse"),
    ]
    together = [replace(one, split="train") for one in rows]
    assert torn_groups(together, "page") == ()
    torn = [together[0], replace(together[1], split="test"), together[2]]
    assert len(torn_groups(torn, "page")) == 1


def test_groups_of_nothing_and_of_nearly_all_are_warned_of():
    rows = [row("a", page="https://one.example/1"), row("b"), row("c")]
    assert list(warnings(rows, "look-alikes")) == []
    assert "--group-by page changed nothing" in next(warnings(rows, "page"))
    rows[1] = row("b", page="https://one.example/2")
    assert list(warnings(rows, "host")) == ["2 of the 3 images of shrew are of one host"]
