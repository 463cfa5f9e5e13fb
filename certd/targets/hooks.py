"""What a command of the operator's is told: ``CERTD_*`` variables, and those of certbot's deploy hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from certd.ports import Outcome, Verdict

# A program is not started with more (execve(2): 128 KiB a text); who serves more links at once reads the folder.
MOST_TEXT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """One link that is being deployed.

    Attributes:
        folder: Its immutable generation.
        lineage: The symbolic link for people, whose last part is the link's name, as certbot's ``live/NAME`` is.
    """

    link: str
    generation: str
    domains: tuple[str, ...]
    folder: Path
    lineage: Path


def variables(renewed: Sequence[Renewed]) -> dict[str, str]:
    """The environment for one run. Where several links are deployed at once, what can name only one names the first.

    ``RENEWED_LINEAGE`` and ``RENEWED_DOMAINS`` are as certbot's documentation has them (using.rst, "Renewing
    certificates"): a folder with cert, chain, fullchain and privkey .pem, and the names with spaces between.
    """
    if not renewed:
        return {}
    first = renewed[0]
    domains = " ".join(dict.fromkeys(domain for each in renewed for domain in each.domains))
    said = {
        "CERTD_LINK": first.link,
        "CERTD_LINKS": " ".join(each.link for each in renewed),
        "CERTD_GENERATION": first.generation,
        "CERTD_GENERATIONS": " ".join(each.generation for each in renewed),
        "CERTD_DOMAINS": domains,
        "CERTD_FOLDER": str(first.folder),
        "CERTD_CERT": str(first.folder / "cert.pem"),
        "CERTD_CHAIN": str(first.folder / "chain.pem"),
        "CERTD_FULLCHAIN": str(first.folder / "fullchain.pem"),
        "CERTD_KEY": str(first.folder / "privkey.pem"),
        "CERTD_COMBINED": str(first.folder / "combined.pem"),
        "RENEWED_LINEAGE": str(first.lineage),
        "RENEWED_DOMAINS": domains,
    }
    return {name: text for name, text in said.items() if len(text) <= MOST_TEXT}


def merge_outcomes(outcomes: Mapping[str, Outcome], most_words: int) -> Outcome:
    """What one run for each link came to: a no of one is a no, with whose it is."""
    took = sum((each.took for each in outcomes.values()), start=Outcome(verdict=Verdict.YES).took)
    refused = {link: each for link, each in outcomes.items() if each.verdict is Verdict.NO}
    if refused:
        words = "\n".join(f"{link}: {each.words}" for link, each in refused.items())
        return Outcome(verdict=Verdict.NO, words=words[-most_words:], took=took, by_link=outcomes)
    words = "\n".join(each.words for each in outcomes.values() if each.words)
    return Outcome(verdict=Verdict.YES, words=words[-most_words:], took=took, by_link=outcomes)
