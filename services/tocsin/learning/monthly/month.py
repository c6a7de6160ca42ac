"""A calendar month, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

_FORM: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month; written 2026-10."""

    year: int
    number: int
    """1..12."""

    @classmethod
    def of(cls, text: str) -> Self:
        """The month that is written so. Raises ValueError."""
        found = _FORM.fullmatch(text)
        if found is None or found[1] == "0000":
            raise ValueError(f"{text!r} is no month like 2026-10")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def before(cls, now: datetime) -> Self:
        """The last month that was over at `now` (aware)."""
        here = now.astimezone(UTC)
        return cls(here.year - (here.month == 1), 12 if here.month == 1 else here.month - 1)

    @property
    def start(self) -> datetime:
        """When it begins, aware."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """When the next one begins, aware."""
        return datetime(self.year + self.number // 12, self.number % 12 + 1, 1, tzinfo=UTC)

    def holds(self, when: datetime) -> bool:
        """Whether that moment (aware) is in it."""
        return self.start <= when < self.end

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"
