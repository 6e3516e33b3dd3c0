"""Groups of the split: which images may not face each other across train and test.

Look-alikes always. On demand also images of one page, or of one host: a photographer's
series, one animal seen twice, a site's own style.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from curation.dataset import Row
from curation.digests import ByDigest
from curation.recipe import GroupBy, Split
from curation.split import images, torn
from curation.tickets import Ticket, Tickets
from scraper.harvest import host_of


def tickets(rows: Sequence[Row], by: GroupBy) -> Tickets:
    """What the split has to know of the kept rows; groups that share an image are one group."""
    linking = _with_copies(rows) if by == "page" else (row for row in rows if row.kept)
    names = _components((row.digest, link) for row in linking for link in _links(row, by))
    members = Counter(names[row.digest] for row in rows if row.kept and row.digest in names)
    return Tickets(
        Ticket(
            digest=row.digest,
            species=row.species,
            group=group if members[group or ""] > 1 else None,
        )
        for row in rows
        if row.kept
        for group in (names.get(row.digest),)
    )


def torn_groups(rows: Sequence[Row], by: GroupBy) -> tuple[tuple[str, ...], ...]:
    """Groups that face each other across splits, as their kept digests: there must be none.

    Needs nothing but the rows of a manifest, so that anybody can ask.
    """
    dealt = tickets(rows, by)
    home = ByDigest[Split | None](dealt.digests)
    bound = {ticket.digest for ticket in dealt if ticket.group is not None}
    for row in rows:
        if row.kept and row.digest in bound:
            home[row.digest] = row.split
    return tuple(
        tuple(sorted(ticket.digest for ticket in dealt if ticket.group == group))
        for group in torn(dealt, home)
    )


def warnings(rows: Sequence[Row], by: GroupBy) -> Iterator[str]:
    """What a user should know who asked for groups: that there are none, or one of nearly all."""
    if by == "look-alikes":
        return
    dealt = tickets(rows, by)
    sizes = Counter((ticket.group, ticket.species) for ticket in dealt if ticket.group is not None)
    if not sizes:
        yield f"no two images are known to be of one {by}: --group-by {by} changed nothing"
    total = images(dealt)
    for (_, species), size in sorted(sizes.items(), key=lambda item: item[0][1]):
        if 2 * size > total[species]:
            yield f"{size} of the {total[species]} images of {species} are of one {by}"


def _links(row: Row, by: GroupBy) -> Iterator[str]:
    if row.group is not None:
        yield f"alike {row.group}"
    page, _, _ = row.page_url.partition("#")
    host = host_of(row.page_url or row.image_url).removeprefix("www.")
    if by == "page" and page:
        yield f"page {page}"
    if by == "host" and host:
        yield f"host {host}"


def _with_copies(rows: Sequence[Row]) -> Iterator[Row]:
    """The kept rows and the dropped copies of them.

    A page that shows a copy links images. A host that has one does not: copies travel so far
    that most hosts would be one group.
    """
    alike = {row.group for row in rows if row.kept and row.group is not None}
    return (row for row in rows if row.kept or row.group in alike)


def _components(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Connected components of digests and what they are linked by: digests, and names."""
    parents: dict[str, str] = {}
    digests: dict[str, None] = {}

    def root(node: str) -> str:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = parents[parent]
            node = parent
        return node

    for digest, link in links:
        digests[digest] = None
        parents[root(link)] = root(digest)
    names: dict[str, str] = {}
    for digest in sorted(digests):
        names.setdefault(root(digest), digest)
    return {digest: names[root(digest)] for digest in digests}
