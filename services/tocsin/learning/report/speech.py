"""One language of a report of figures: its sentences, and how its numbers and days are written.

What is said to be at least, or at most, so much is never rounded in the other direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Self

from tocsin.learning.types import Interval
from tocsin.words.catalogue import Catalogue, catalogue

NO_BREAK: Final = "\u00a0"
"""A space at which no line ends."""
_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Speech:
    """Safe for threads."""

    catalogue: Catalogue

    @classmethod
    def of(cls, language: str) -> Self:
        """Of one of the catalogue's LANGUAGES. Raises KeyError for another."""
        return cls(catalogue(language))

    @property
    def language(self) -> str:
        """Its BCP 47 tag."""
        return self.catalogue.language

    @property
    def unknown(self) -> str:
        """What stands where a figure or a fact is not known."""
        return self.say("not known")

    def say(self, sentence: str, **values: object) -> str:
        """The sentence in this language, with {name} replaced by the value of that name."""
        return self.catalogue.say(sentence, **values)

    def say_of(self, number: int, one: str, many: str, **values: object) -> str:
        """`one` or `many`, as the number has it; both may name it as {number}."""
        return self.catalogue.say_of(number, one, many, **values)

    def inside(self, name: str) -> str:
        """A name that may begin a sentence, as it stands within one: German writes nouns large everywhere."""
        return name if self.language == "de" else name[:1].lower() + name[1:]

    def percent(self, share: float) -> str:
        """A share as per cent, to a tenth, or as far as it takes to tell it from none and from all."""
        return self.unknown if math.isnan(share) else self._per_cent(100 * share, _decimals(100 * share))

    def whole_percent(self, share: float) -> str:
        """A share as per cent, as short as it is exact."""
        return f"{self.hundredths(share)}{NO_BREAK}%"

    def hundredths(self, share: float) -> str:
        """The same without its sign."""
        return self._exact(round(100 * share, 4))

    def at_least(self, share: float) -> str:
        """A lower bound as per cent, rounded down to a tenth."""
        return self.unknown if math.isnan(share) else self._per_cent(_down(100 * share, 1))

    def shares(self, interval: Interval) -> str:
        """From its lower to its upper limit, as per cent."""
        if math.isnan(interval.low) or math.isnan(interval.high):
            return self.unknown
        low, high = self.decimal(_down(100 * interval.low, 1), 1), self._per_cent(_up(100 * interval.high, 1))
        return self.say("{low} to {high}", low=low, high=high)

    def share(self, interval: Interval) -> str:
        """A share with its interval; not known where there is none."""
        return self.unknown if math.isnan(interval.estimate) else f"{self.percent(interval.estimate)} ({self.shares(interval)})"

    def decimal(self, value: float, decimals: int = 2) -> str:
        """A number with exactly so many decimals."""
        if math.isnan(value):
            return self.unknown
        if math.isinf(value):
            return self.say("infinitely many")
        return self.catalogue.number(round(value, decimals) + 0.0, decimals)

    def figure(self, interval: Interval, decimals: int = 2) -> str:
        """A number with its interval."""
        if math.isnan(interval.estimate):
            return self.unknown
        estimate = self.decimal(interval.estimate, decimals)
        if math.isnan(interval.low) or math.isnan(interval.high):
            return self.say("{estimate} (interval not known)", estimate=estimate)
        return f"{estimate} ({self.span(interval, decimals)})"

    def span(self, interval: Interval, decimals: int = 2) -> str:
        """From its lower to its upper limit, rounded outwards."""
        if math.isnan(interval.low) or math.isnan(interval.high):
            return self.unknown
        low = self.decimal(_down(interval.low, decimals), decimals)
        if math.isinf(interval.high):
            return self.say("{low} or more", low=low)
        return self.say("{low} to {high}", low=low, high=self.decimal(_up(interval.high, decimals), decimals))

    def count(self, number: int) -> str:
        """A whole number, in groups of three digits."""
        return self.catalogue.number(number)

    def about(self, number: int) -> str:
        """A whole number to two digits, rounded up, where more would say more than is known."""
        power = 10 ** max(0, len(str(number)) - 2)
        return self.count(-(-number // power) * power)

    def day(self, when: date | None) -> str:
        """A day with its month in letters."""
        return self.unknown if when is None else self.catalogue.date(when)

    def days(self, first: date | None, last: date | None) -> str:
        """From one day to another."""
        return self.unknown if first is None or last is None else self.say("{low} to {high}", low=self.day(first), high=self.day(last))

    def listed(self, names: list[str]) -> str:
        """Names as a sentence lists them."""
        return self.say("{names} and {last}", names=", ".join(names[:-1]), last=names[-1]) if len(names) > 1 else "".join(names)

    def threshold(self, value: float) -> str:
        """A score from which pictures are flagged, exactly."""
        return self._exact(value, digits=15)

    def tick(self, value: float) -> str:
        """A number on an axis: to three digits, as short as it is."""
        return self._exact(float(f"{value:.3g}"))

    def _per_cent(self, value: float, decimals: int = 1) -> str:
        return f"{self.decimal(value, decimals)}{NO_BREAK}%"

    def _exact(self, value: float, digits: int = 6) -> str:
        """To so many digits, without zeros at the end."""
        written = f"{value:.{digits}g}"
        exponent = Decimal(written).normalize().as_tuple().exponent
        assert isinstance(exponent, int), "a number"
        return self.catalogue.number(float(written), max(0, -exponent) or None)


def _decimals(value: float) -> int:
    """How many decimals keep a per cent value from reading as 0 or 100 where it is neither, but for the error of reckoning."""
    if min(abs(value), abs(100 - value)) < _EPSILON:
        return 1
    return next((each for each in range(1, 12) if 0 < round(value, each) < 100), 1)


def _down(value: float, decimals: int) -> float:
    return math.floor(value * 10.0**decimals + _EPSILON) / 10.0**decimals


def _up(value: float, decimals: int) -> float:
    return math.ceil(value * 10.0**decimals - _EPSILON) / 10.0**decimals
