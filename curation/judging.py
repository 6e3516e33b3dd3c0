"""Judging: what a finding means under a recipe and a review, before pictures are compared.

Findings can be kept from run to run, since they depend on the bytes and the rendering alone;
flags depend on thresholds, on where else the same bytes were gathered, and on what a person
decided. What is dropped here is compared with nothing, so that it takes no other image's place.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from curation import reasons
from curation.digests import ByDigest, Digests
from curation.findings import Finding
from curation.flags import Pictured, flags_of
from curation.recipe import CurationRecipe
from curation.review import Reviewed
from scraper.harvest import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Raises flags, and drops what the recipe or a person does not want."""

    recipe: CurationRecipe
    addresses: Mapping[str, int]
    """From how many addresses each digest was gathered, where that is not one."""
    species: Mapping[str, Collection[str]]
    """For which species each digest stands, after the review."""
    kept: Collection[str]
    """Digests that no flag may drop."""

    @classmethod
    def of(
        cls, review: Reviewed, species: ByDigest[frozenset[str]], recipe: CurationRecipe
    ) -> Judge:
        """The judge of one run."""
        return cls(
            recipe=recipe,
            addresses=_addresses(review.records, species.digests),
            species=species,
            kept=review.kept_digests,
        )

    def judged(self, finding: Finding) -> Finding:
        """The finding with its flags, and with a reason where it is not wanted."""
        if finding.reason or finding.measures is None:
            return finding
        species = self.species.get(finding.digest, ())
        pictured = Pictured(
            measures=finding.measures,
            width=finding.width or 0,
            height=finding.height or 0,
            addresses=self.addresses.get(finding.digest, 1),
            species=len(species),
        )
        flags = flags_of(pictured, self.recipe.thresholds)
        return replace(finding, flags=",".join(flags), reason=self._reason(finding.digest, flags))

    def _reason(self, digest: str, flags: Collection[str]) -> str:
        if not self.species.get(digest):  # All who gathered it were told to drop it.
            return reasons.REVIEWED
        if digest in self.kept:
            return ""
        return next((flag for flag in self.recipe.drop if flag in flags), "")


def _addresses(records: Sequence[Record], digests: Digests) -> dict[str, int]:
    times = array("I", bytes(4 * len(digests)))
    for record in records:
        times[digests.place(record.sha256 or "")] += 1
    found = {
        (record.sha256 or "", record.candidate.address)
        for record in records
        if times[digests.place(record.sha256 or "")] > 1
    }
    counts = Counter(digest for digest, _ in found)
    return {digest: count for digest, count in counts.items() if count > 1}
