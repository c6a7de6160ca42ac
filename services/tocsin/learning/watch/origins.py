"""Where pictures come from, which flags do not say: the device and the region of the body, as the record has them. Pure.

A look asks the record about a bounded number of Media, and a later look about the same ones: each is drawn by a hash of its own.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from tocsin.image.device import FORM
from tocsin.learning.types import Ints, Scored
from tocsin.learning.watch.types import ALL, Look, Signal

DEVICES_MAX: Final = 20
"""So many devices of the baseline have a bin of their own, those that took most; the others share one."""
OTHER_DEVICE: Final = "other"
NOT_STATED: Final = "not-stated"
ELSEWHERE: Final = "other-or-not-known"
"""The region of pictures of which the record names none of the card's, or several."""
FOUND_MIN: Final = 0.5
"""Where the record shows less than this share of the pictures that were drawn, they stand for none of the others."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What the record says of one picture."""

    device: str
    """In a form of `image.device`; empty where it names none."""
    region: str
    """One of the card's regions of the body, or ELSEWHERE."""


class Record(Protocol):
    """The pictures of the record."""

    def origins(self, pictures: Mapping[str, str]) -> Mapping[str, Origin]:
        """Media/<id> -> where it comes from, of those that the record shows as a picture of this Patient/<id>, which `pictures` name.

        Raises Deferred, Refused and Stop, as a search does that cannot be done, or not in time.
        """


@dataclass(frozen=True, slots=True)
class Mix:
    """How the pictures of the baseline divide over bins; empty where nobody said so in the record's words."""

    bins: Mapping[str, int] = field(default_factory=dict)
    rest: str = ""
    """The bin of what has none."""

    def of(self, words: Iterable[str]) -> tuple[list[int], list[int]]:
        """How many in each bin: in the baseline, and of these words."""
        now = Counter(word if word in self.bins else self.rest for word in words)
        return list(self.bins.values()), [now[name] for name in self.bins]


def devices_of(counted: Mapping[str, int]) -> Mix:
    """The mix of devices in a baseline: value of its column -> pictures, NOT_STATED where it has none.

    Empty where it names none, or in other words than the record: those could never be the same.
    """
    named = {name: count for name, count in counted.items() if name != NOT_STATED}
    if not named or not all(map(FORM.fullmatch, named)):
        return Mix()
    most = dict(sorted(named.items(), key=lambda item: (-item[1], item[0]))[:DEVICES_MAX])
    rest = sum(named.values()) - sum(most.values())
    return Mix({**most, OTHER_DEVICE: rest, NOT_STATED: counted.get(NOT_STATED, 0)}, OTHER_DEVICE)


def regions_of(counted: Mapping[str, int], regions: Sequence[str]) -> Mix:
    """The mix of body sites in a baseline, in the card's regions; empty where it names none, or any in other words than the record."""
    bins = {region: counted.get(region, 0) for region in regions}
    if not any(bins.values()) or any(count for word, count in counted.items() if word not in {*regions, ELSEWHERE}):
        return Mix()
    return Mix({**bins, ELSEWHERE: sum(counted.values()) - sum(bins.values())}, ELSEWHERE)


class Columns:
    """Counts what the rows of a baseline say of devices and body sites."""

    def __init__(self) -> None:
        self._devices, self._regions = Counter[str](), Counter[str]()

    def take(self, row: Scored) -> None:
        """Count one picture."""
        self._devices[row.groups.get("device") or NOT_STATED] += 1
        self._regions[row.groups.get("body site") or ELSEWHERE] += 1

    def mixes(self, regions: Sequence[str]) -> dict[Signal, Mix]:
        """Signal -> the mix with which is compared, of those that the baseline tells."""
        both: dict[Signal, Mix] = {"device-mix": devices_of(self._devices), "body-site-mix": regions_of(self._regions, regions)}
        return {signal: mix for signal, mix in both.items() if mix.bins}


def sample(media: Iterable[str], most: int) -> list[str]:
    """At most so many of these pictures, the same ones of the same pictures whenever they are drawn."""
    return heapq.nsmallest(most, media, key=_chance)


def thinned(media: Sequence[str], first: int) -> list[str]:
    """The first so many of a series of pictures, and of later ones the n-th with the chance first / n.

    Whether a picture is drawn depends on its own hash and place alone, never on what was found of it, so that what is counted of the
    drawn ones has the chance that is stated; and it is drawn again whenever the series has become longer.
    """
    return [each for number, each in enumerate(media, 1) if _chance(each) < first / number]


def looks(
    origins: Sequence[Origin] | None, drawn: int, mixes: Mapping[Signal, Mix], compared: Callable[[Signal, Ints, Ints], Look]
) -> list[Look]:
    """How the mixes stand by the pictures that were drawn of a week; origins None: the record could not be asked."""
    if origins is None or len(origins) < FOUND_MIN * drawn:
        return [Look(signal, ALL, "unanswered", 0) for signal in mixes]
    words: dict[Signal, list[str]] = {
        "device-mix": [each.device or NOT_STATED for each in origins],
        "body-site-mix": [each.region for each in origins],
    }
    counts = {signal: mix.of(words[signal]) for signal, mix in mixes.items()}
    return [compared(signal, np.asarray(before), np.asarray(now)) for signal, (before, now) in counts.items()]


def _chance(media: str) -> float:
    """A number of 0..1 exclusively that this picture always has, and that nothing else tells anything of."""
    return int.from_bytes(hashlib.blake2b(media.encode(), digest_size=8, person=b"tocsin-watch").digest()) / 2**64
