"""What an address asks of the worklist: filters and the place to go on from. Ids and codes alone, and nothing that was not checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson

from tocsin.report.types import CODE_CHARACTERS_MAX
from tocsin.review.worklist import Place, Wanted

AGES: Final[Mapping[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "8h": timedelta(hours=8),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
}
SHOWN: Final[Mapping[str, bool | None]] = {"unread": True, "unsigned": True, "read": False, "all": None}
UNSIGNED: Final = "unsigned"
"""Among the unread: those whose card was answered in the EHR."""
VALUE_CHARACTERS_MAX: Final = 256
_OLDER_MAX: Final = 1 << 62


class NotAsked(ValueError):
    """The address is none that a page of the worklist has."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of one page, as the form states them; empty: any."""

    site: str = ""
    band: str = ""
    age: str = ""
    show: str = "unread"
    after: Place | None = None

    def wanted(self, now: datetime) -> Wanted:
        """The rows that are asked for; `now` is aware."""
        until = now - AGES[self.age] if self.age else None
        return Wanted(self.site or None, self.band or None, SHOWN[self.show], until, self.show == UNSIGNED)

    def query(self, after: Place | None = None) -> dict[str, str]:
        """The parameters of an address that asks for the same, from behind `after`."""
        stated = {"site": self.site, "band": self.band, "age": self.age, "show": "" if self.show == "unread" else self.show}
        stated["after"] = "" if after is None else written(after)
        return {name: value for name, value in stated.items() if value}


def asked(arguments: Mapping[str, str]) -> Asked:
    """What the parameters of an address ask for. Raises NotAsked."""
    site, band, age, show = (arguments.get(name, "") for name in ("site", "band", "age", "show"))
    if len(site) > VALUE_CHARACTERS_MAX or len(band) > CODE_CHARACTERS_MAX or age not in ("", *AGES) or show not in ("", *SHOWN):
        raise NotAsked
    after = arguments.get("after", "")
    return Asked(site, band, age, show or "unread", read(after) if after else None)


def written(place: Place) -> str:
    """The place as an address has it."""
    return base64.urlsafe_b64encode(orjson.dumps([*place])).decode("ascii").rstrip("=")


def read(text: str) -> Place:
    """The place that an address names. Raises NotAsked."""
    try:
        content = orjson.loads(base64.urlsafe_b64decode(text[:VALUE_CHARACTERS_MAX] + "=="))
    except (ValueError, binascii.Error):
        raise NotAsked from None
    match content:
        case [int(rank), int(older), str(report)] if abs(rank) < _OLDER_MAX and abs(older) < _OLDER_MAX:
            return Place(rank, older, report)
        case _:
            raise NotAsked
