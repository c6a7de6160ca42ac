"""What a verdict rests on besides the pixels, as one fingerprint: where it is the same, judging again would say the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

import orjson

from tocsin.image.gate import Acceptance
from tocsin.image.taken import Taken
from tocsin.image.types import Coding, Picture
from tocsin.model_card import ModelCard

JUDGING: Final = 2
"""Version of the code that decodes, gates and judges. Raise it whenever a change there may change what is said of a picture: every report
that nobody has acted on is then judged again when its picture is announced again, and a report of the old code is never taken for known."""


_AGELESS: Final = {"age_years": None, "ages_open": None}
"""Of a picture of which only its event says when it was taken: see `_taken`."""


def grounds(picture: Picture, acceptance: Acceptance, card: ModelCard, *, judging: int = JUDGING) -> str:
    """Hex SHA-256 of the Media's version, its modality, body site and time, the patient's facts, what the site accepts, the whole card, and
    the version of the judging code.

    The same in every process: JSON with its keys in order. The Media's version stands for whatever a source may correct in it.
    """
    rests_on = {
        "judging": judging,
        "media": [picture.version, _taken(picture.taken), picture.body_site, _codings(picture.modality), picture.modality_stated],
        "patient": [asdict(picture.facts) | ({} if picture.taken.by_the_media else _AGELESS), picture.born],
        "accepted": [_codings(acceptance.modalities), _codings(acceptance.refused), acceptance.limits.model_dump()],
        "vouched": None if acceptance.modality_when_absent is None else asdict(acceptance.modality_when_absent),
        "card": card.model_dump(),
    }
    return hashlib.sha256(orjson.dumps(rests_on, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _taken(when: Taken) -> Taken | None:
    """None where the Media does not say it: whichever event speaks of such a picture, its verdict rests on the same."""
    return when if when.by_the_media else None


def _codings(codings: Iterable[Coding]) -> list[tuple[str, str]]:
    return sorted((each.system or "", each.code) for each in codings)
