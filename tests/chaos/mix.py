"""What the hospital does, step after step: good pictures, bad ones, and everything else that happens in a week. Pure, from a seed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

Act = Literal[
    "good",
    "updated",
    "again",
    "dark",
    "stubborn",
    "poison",
    "not-json",
    "no-schema",
    "media-unknown",
    "subject-swapped",
    "no-picture",
]

SHARES: Final[Mapping[Act, int]] = {
    "good": 289,
    "updated": 28,
    "again": 24,
    "dark": 22,
    "stubborn": 4,
    "poison": 1,
    "not-json": 8,
    "no-schema": 8,
    "media-unknown": 6,
    "subject-swapped": 6,
    "no-picture": 4,
}
"""Of each four hundred steps; the steps of one round come in an order of that round's own."""

EXPECTS: Final[Mapping[Act, str]] = {
    "good": "published",
    "updated": "published",
    "again": "published",
    "dark": "not-assessable",
    "stubborn": "published",
    "poison": "poison",
    "not-json": "refused:not-json",
    "no-schema": "refused:schema-mismatch",
    "media-unknown": "refused:media-unknown",
    "subject-swapped": "refused:subject-mismatch",
    "no-picture": "refused:not-an-image",
}
"""How the event of each act has to end, as the manifest has it."""

PATIENTS: Final = 48


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens."""

    number: int
    act: Act
    patient: int
    """0..PATIENTS-1."""
    draw: float
    """0..1: which of the earlier pictures it is about, where it is about one."""


def steps(seed: int, without: Collection[Act] = ()) -> Iterator[Step]:
    """Without end; the same for the same seed. The first few are good, so that there is something to come back to.

    `without` names acts that do not happen.
    """
    random = Random(f"load {seed}")
    number = 0
    acts: list[Act] = ["good"] * 10
    while True:
        for act in acts:
            number += 1
            yield Step(number, act, random.randrange(PATIENTS), random.random())
        acts = [act for act, share in SHARES.items() if act not in without for _ in range(share)]
        random.shuffle(acts)
