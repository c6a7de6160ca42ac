"""Why there is no trace to show: what is known of it, in sentences for whoever runs Tocsin. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tocsin.settings import TracesSettings
from tocsin.traces.evidence import Sighting

NO_BACK_END = (
    "No back end of traces is configured: set TOCSIN_TRACES__QUERY_URL and TOCSIN_TRACES__QUERY_API here, and TOCSIN_OTLP__ENDPOINT where "
    "`tocsin consume` runs."
)
OLD = timedelta(days=2)
"""Back ends delete what is older than some days: a trace of this age may be gone."""


def reasons(settings: TracesSettings, troubles: Iterable[str], sightings: Iterable[Sighting], now: datetime) -> list[str]:
    """Why no trace was found, the surest first; `now` is aware."""
    if settings.query_url is None:
        return [NO_BACK_END]
    said = [f"The back end at {settings.query_url} gave no answer: {each}." for each in troubles]
    return said or _not_kept(settings, list(sightings), now)


def _not_kept(settings: TracesSettings, sightings: list[Sighting], now: datetime) -> list[str]:
    flags = [each.sampled for each in sightings if each.what == "flagged" and each.sampled is not None]
    ratio = f"TOCSIN_TRACES__RATIO is {settings.ratio:g} here: that share of the journeys that end as published is kept, and every other"
    if True in flags:
        lead = (
            "The flag says that its trace was sampled, so the back end never got it (TOCSIN_OTLP__ENDPOINT where `tocsin consume` runs) or"
        )
        return [f"{lead} has deleted it: see its retention."]
    if not sightings:
        return [f"The back end keeps no such trace. {ratio} ending."]
    why = "It was not sampled, as its flag says." if flags else "It was not sampled, or is no longer kept."
    said = [f"{why} {ratio} ending."]
    oldest = min((each.at for each in sightings), default=now)
    if not flags and now - oldest > OLD:
        said.append(f"It is {(now - oldest).days} days old: the back end may have deleted it.")
    return said
