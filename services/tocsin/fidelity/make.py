"""Makes the known answers of a folder's pictures."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tocsin.errors import ConfigurationError, Refused
from tocsin.fidelity.answers import FILE, PICTURES_MAX, KnownPicture, KnownPictures
from tocsin.fidelity.look import Looking, below
from tocsin.inference.known import KnownFacts
from tocsin.terminal import Progress

SUFFIXES: Final = (".jpg", ".jpeg", ".png")
DIGITS: Final = 7
"""Digits behind the point of a probability: float32 has no more near 1."""


@dataclass(frozen=True, slots=True)
class Made:
    """The known answers, and why pictures of the folder have none."""

    known: KnownPictures
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason of a refusal -> how many pictures were refused for it."""


def answers_to(folder: Path, looking: Looking, asked: str, progress: Progress) -> Made:
    """Ask about every JPEG and PNG picture below the folder, saying nothing of its patient; hidden files are not looked at.

    `asked` tells how the answers are got. What Tocsin refuses to decode is left out. Raises ConfigurationError where nothing is left, for
    more than PICTURES_MAX, and before anything is asked for a name that `answers.yaml` cannot hold.
    """
    names = _pictures(folder)
    left_out: Counter[str] = Counter()
    with progress.step("asking about pictures", total=len(names)) as step:
        known = []
        for name in names:
            try:
                known.append(_known(folder, name, looking))
            except Refused as refused:
                left_out[refused.reason] += 1
            step.advance(1)
    if not known:
        raise ConfigurationError(f"{folder} holds no {', '.join(SUFFIXES)} file that Tocsin can judge{_reasons(left_out)}")
    card = looking.card
    return Made(
        KnownPictures(model=str(card.model), served_sha256=card.provenance.served_sha256, asked=asked, pictures=tuple(known)), left_out
    )


def _known(folder: Path, name: str, looking: Looking) -> KnownPicture:
    try:
        content = below(folder, name)
    except OSError as error:
        raise ConfigurationError(f"a picture of {folder} cannot be read ({error.strerror})") from None
    facts = KnownFacts()
    answered = looking.findings(content, facts).probabilities
    return KnownPicture(
        picture=name,
        picture_sha256=hashlib.sha256(content).hexdigest(),
        facts=facts,
        probabilities={code: round(value, DIGITS) for code, value in answered.items()},
    )


def _pictures(folder: Path) -> list[str]:
    """The paths of the pictures below the folder, in order."""
    found = sorted(names_below(folder))
    if len(found) > PICTURES_MAX:
        raise ConfigurationError(f"{folder} holds {len(found)} pictures, and {FILE} takes at most {PICTURES_MAX}: take a part of them")
    if unsaid := sum(not _is_text(each) for each in found):
        raise ConfigurationError(
            f"the names of {unsaid} picture(s) of {folder}, or of their folders, are not UTF-8, and {FILE} cannot hold them: rename them "
            "(`convmv` does) or take them out, then make the answers again"
        )
    return found


def _is_text(name: str) -> bool:
    """Whether the name is text; what of a file's name is not UTF-8, Python holds as half of a surrogate pair (PEP 383)."""
    return not any("\ud800" <= each <= "\udfff" for each in name)


def names_below(folder: Path) -> Iterator[str]:
    """The paths of the JPEG and PNG pictures below the folder, by their names' ends; hidden files and folders are left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield (Path(place) / name).relative_to(folder).as_posix()


def _reasons(left_out: Mapping[str, int]) -> str:
    return f" ({told(left_out)})" if left_out else ""


def told(left_out: Mapping[str, int]) -> str:
    """How many pictures were left out, by reason."""
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(left_out.items()))
