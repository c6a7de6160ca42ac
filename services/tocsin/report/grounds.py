"""What a verdict rests on besides the pixels, as one fingerprint: where it is the same, judging again would say the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict

import orjson

from tocsin.image.gate import Acceptance
from tocsin.image.model import Coding, Picture
from tocsin.inference.card import ModelCard


def grounds(picture: Picture, acceptance: Acceptance, card: ModelCard) -> str:
    """Hex SHA-256 of the Media's version, its modality, body site and time, the patient's facts, what the site accepts, and the whole card.

    The same in every process: JSON with its keys in order. The Media's version stands for whatever a source may correct in it.
    """
    rests_on = {
        "media": [picture.version, picture.taken_at, picture.body_site, _codings(picture.modality)],
        "facts": asdict(picture.facts),
        "accepted": [_codings(acceptance.modalities), _codings(acceptance.refused), acceptance.limits.model_dump()],
        "vouched": None if acceptance.modality_when_absent is None else asdict(acceptance.modality_when_absent),
        "card": card.model_dump(),
    }
    return hashlib.sha256(orjson.dumps(rests_on, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _codings(codings: Iterable[Coding]) -> list[tuple[str, str]]:
    return sorted((each.system or "", each.code) for each in codings)
