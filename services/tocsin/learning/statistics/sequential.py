"""Alarms that may be looked at after every label: an e-process against "no more than the limit is missed".

The evidence E is what a bet against the limit, at even odds, has made of 1. While the limit holds, the chance that E ever reaches 1/alpha
is at most alpha, however often one looks and whenever one stops (Ville's inequality; Ramdas et al., Stat. Sci. 38:576, 2023). The bet
is spread over all worse rates by a beta distribution cut off at the limit: it needs only counts, so a stream's state is four numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from scipy.special import betaincc, betaln

from tocsin.learning.statistics.columns import Unusable

PRIOR: Final = (1.0, 4.0)
"""Shape of the beta distribution over worse rates."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One series of yes and no, as "this confirmed cancer was missed"; plain numbers, to be kept as they are."""

    limit: float
    """The rate, 0..1 exclusively, that is not to be exceeded."""
    version: str
    """Of what is watched: model, card and site file."""
    seen: int = 0
    failed: int = 0
    highest: float = 0.0
    """Natural logarithm of the highest evidence until now."""

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1 or not 0 <= self.failed <= self.seen:
            raise Unusable("a stream has a limit between 0 and 1 and has seen no fewer than failed")

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of E as it stands."""
        return log_evidence(self.failed, self.seen, self.limit)

    def after(self, failed: bool, version: str | None = None) -> Stream:
        """The stream one label later; another version starts anew."""
        stream = self if version is None or version == self.version else Stream(self.limit, version)
        stream = replace(stream, seen=stream.seen + 1, failed=stream.failed + failed)
        return replace(stream, highest=max(stream.highest, stream.log_evidence))

    def alarms(self, alpha: float = 0.05) -> bool:
        """Whether the evidence ever reached 1/alpha since the version began; once it has, it stays."""
        return self.highest >= -math.log(alpha)


def log_evidence(failed: int, seen: int, limit: float, prior: tuple[float, float] = PRIOR) -> float:
    """Natural logarithm of E: the likelihood, averaged over worse rates, over the likelihood at the limit."""
    a, b = prior
    good = seen - failed
    above, at_first = betaincc(failed + a, good + b, limit), betaincc(a, b, limit)
    if above == 0:
        return -math.inf
    against = betaln(failed + a, good + b) + math.log(above) - betaln(a, b) - math.log(at_first)
    return float(against - failed * math.log(limit) - good * math.log1p(-limit))


def merged(streams: Mapping[str, Stream]) -> float:
    """Natural logarithm of the evidence that any limit is exceeded: the average of all as they stand.

    Vovk and Wang, Ann. Stat. 49:1736, 2021. The global alarm is its highest value over time: keep that, and compare it with -log(alpha).
    """
    return mean_of({name: stream.log_evidence for name, stream in streams.items()}, _alike(streams))


def mean_of(logs: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Natural logarithm of the weighted average of evidence, given as logarithms; weights that were chosen beforehand keep its chance."""
    if not logs:
        return 0.0
    top = max(logs.values())
    return top if top == -math.inf else top + math.log(sum(weights[name] * math.exp(each - top) for name, each in logs.items()))


def named(streams: Mapping[str, Stream], alpha: float = 0.05, weights: Mapping[str, float] | None = None) -> tuple[str, ...]:
    """Streams that alarm of themselves, by Holm over 1 / highest evidence: the chance that any of them is false is at most alpha.

    `weights`, chosen beforehand, share it out unevenly (Holm, Scand. J. Stat. 6:65, 1979, the weighted procedure); unset: evenly.
    """
    shares = _alike(streams) if weights is None else weights
    order = sorted(streams, key=lambda name: -streams[name].highest - math.log(shares[name]))
    left, found = math.fsum(shares[name] for name in order), list[str]()
    for name in order:
        if streams[name].highest < math.log(left / shares[name] / alpha) - 1e-12:
            break
        found.append(name)
        left -= shares[name]
    return tuple(found)


def _alike(streams: Mapping[str, Stream]) -> dict[str, float]:
    return dict.fromkeys(streams, 1 / max(1, len(streams)))
