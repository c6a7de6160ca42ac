"""Settings that say what the scheduled watch compares with what, and how rarely it may be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tocsin.settings.values import Group

Token = Annotated[str, Field(pattern=r"^[^\s|]*\|[^\s|]+$", max_length=256)]
Rate = Annotated[float, Field(gt=0, lt=1)]


class WatchSettings(Group):
    """What is watched, against what, and how rarely an alarm is false."""

    every_s: PositiveFloat = Field(21_600.0, description="How often Tocsin looks. A look reads the topics of flags and verdicts whole.")
    baseline: Path | None = Field(
        None,
        description="File of scores (scores.jsonl) of the last evaluation, of pictures as they came: what comes in is compared with it. "
        "Unset: it is compared with nothing.",
    )
    pictures: Path | None = Field(
        None,
        description="Folder of known pictures, as `tocsin model answers` makes it; Triton is asked about them at each look. Take a hundred "
        "at most. Unset: it is not asked.",
    )
    since: AwareDatetime | None = Field(
        None,
        description="What was judged before is left out; with its offset from UTC. Set it after a roll-back, and with the first site file "
        "to when every process had it: a later promotion is known without.",
    )
    window_days: PositiveInt = Field(28, description="How far back what came in is looked at. Below the retention of the topic of flags.")
    histogram_days: PositiveInt = Field(7, description="Histograms are of so many whole days, in UTC, on a grid that does not move.")
    batch_pictures_min: PositiveInt = Field(20, description="A day of fewer pictures says nothing.")
    false_alarm_days: PositiveFloat = Field(
        365.0, description="Each of the four alarms about what comes in is false once in so many days, on average (ARL0)."
    )
    record_pictures_max: NonNegativeInt = Field(
        500,
        description="Of how many Media a look asks the FHIR server for device and body site, for each of its questions: so many of a week, "
        "and of misses and of answers the first so many and ever fewer of later ones. 0: it is not asked.",
    )
    record_within_s: PositiveFloat = Field(60.0, description="A look begins no search for Media later than this after its first.")
    miss_rate_max: Rate = Field(0.05, description="Share of confirmed cancers that may be judged without being flagged.")
    override_rate_max: Rate = Field(0.5, description="Share of answered results with which clinicians may disagree.")
    false_alarm_chance: Rate = Field(
        0.05, description="Chance that misses, or overrides, ever alarm falsely between two fresh starts, however often is looked."
    )
    epoch_days: PositiveInt = Field(
        365, description="Misses and overrides are counted anew after so many days, and with every model version and site file."
    )
    report_folder: Path | None = Field(
        None,
        description="Folder where `tocsin work` keeps a report of each month: HTML, PDF and JSON; set it for `tocsin beat` too. Unset: "
        "none is made by itself.",
    )
    report_day: int = Field(5, ge=1, le=28, description="Day of the month, in UTC, from which the report of the month before is made.")
    report_every_s: PositiveFloat = Field(3_600.0, description="How often Tocsin looks whether a report is due.")
    reports_kept: PositiveInt = Field(36, description="So many months' reports are kept in that folder.")
    malignant_findings: tuple[Token, ...] = Field(
        (), description="Codes of pathology that call a lesion malignant besides those of the card's classes, as JSON: system|code."
    )

    @model_validator(mode="after")
    def _in_order(self) -> WatchSettings:
        if 2 * self.histogram_days > self.window_days:
            raise ValueError("TOCSIN_WATCH__WINDOW_DAYS must be twice TOCSIN_WATCH__HISTOGRAM_DAYS at least, to hold a whole one")
        if self.false_alarm_days <= 3 * self.histogram_days:
            raise ValueError("TOCSIN_WATCH__FALSE_ALARM_DAYS must be above three times TOCSIN_WATCH__HISTOGRAM_DAYS")
        return self
