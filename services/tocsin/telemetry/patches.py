"""All that reaches into the private parts of OpenTelemetry's SDK: the way of a value to where it is added up.

For each value the SDK copies, cleans, sorts and hashes the labels and makes an object of it all (measured: 7 microseconds with one label,
12 with six; 2 this way). Where the same labels come again, they lead to the same place: it is looked up once. What is served and sent is
the SDK's own doing, as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, Counter, Histogram

from tocsin.telemetry.instruments import Way

VERIFIED: Final = "1.45.2"
"""The opentelemetry-sdk whose private parts were looked at; with any other every value goes the SDK's own way."""


class _Value:
    """As much of the SDK's Measurement as is added up."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value


def is_verified() -> bool:
    """Whether the installed SDK is the one whose private parts were looked at."""
    return version("opentelemetry-sdk") == VERIFIED


def way(instrument: object, labels: Mapping[str, str]) -> Way | None:
    """Takes a value, neither negative nor infinite, to where the SDK adds up what has these labels, for every reader.

    None where that is another place from time to time, as for readers that ask for what was added since they last asked, or where more is
    kept than a sum; the value then has to go the SDK's own way.
    """
    real: Any = getattr(instrument, "_real_instrument", None) or instrument
    if not isinstance(real, Counter | Histogram) or not _only_adds(real):
        return None
    places = [each for storage in _storages(real) for each in storage._get_or_init_view_instrument_match(real)]
    if not all(_stays(each) for each in places):
        return None
    return _to([_sum(each, labels).aggregate for each in places])


def _only_adds(real: Any) -> bool:
    """Whether the instrument is switched on, and its values are no examples of anything."""
    return real._is_enabled() and isinstance(real._measurement_consumer._sdk_config.exemplar_filter, AlwaysOffExemplarFilter)


def _storages(real: Any) -> list[Any]:
    return list(real._measurement_consumer._reader_storages.values())


def _stays(place: Any) -> bool:
    return not place._reset_on_collect and place._view._attribute_keys is None


def _sum(place: Any, labels: Mapping[str, str]) -> Any:
    from opentelemetry.sdk.metrics._internal._view_instrument_match import _hash_attributes  # another SDK may have none

    own = dict(labels)
    with place._lock:
        return place._get_or_create_aggregation(_hash_attributes(own), own)


def _to(sums: list[Any]) -> Way:
    if len(sums) == 1:
        (only,) = sums
        return lambda value: only(_Value(value), False)

    def to_each(value: float) -> None:
        for each in sums:
            each(_Value(value), False)

    return to_each
