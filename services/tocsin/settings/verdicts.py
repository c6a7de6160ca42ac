"""Settings that say how clinicians' verdicts come into the record."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from tocsin.settings.values import Group


class VerdictSettings(Group):
    """How verdicts come into the record, and how long a try takes."""

    try_within_s: PositiveFloat = Field(
        8.0,
        description="Longest try at the record while the clinician waits; what has not gone in by then is tried again by `tocsin work`.",
    )
    grace_s: PositiveFloat = Field(
        60.0,
        description="`tocsin work` leaves a verdict of which nothing is said yet alone for this long: whoever took it may be at it. Above "
        "try_within_s.",
    )
    retry_every_s: PositiveFloat = Field(15.0, description="How often Tocsin looks for verdicts that are not in the record.")
    retry_batch_max: PositiveInt = Field(200, description="Most verdicts tried in one run; the next run takes the rest.")
    retry_run_s: PositiveFloat = Field(30.0, description="A run begins no try later than this. Below work.task_timeout_s.")
    refused_retry_s: PositiveFloat = Field(
        3600.0, description="Pause between two tries of a verdict whose transaction the FHIR server refused."
    )
    overdue_after_s: PositiveFloat = Field(300.0, description="A verdict that waits for longer is overdue, which an alert tells.")
    look_back_s: PositiveFloat = Field(
        2_592_000.0, description="How far back a run looks for verdicts. Below the retention of their topic; each run reads as much."
    )
    outcome_every_s: PositiveFloat = Field(3600.0, description="How often Tocsin looks for what pathology said about pictures.")
    outcome_window_s: PositiveFloat = Field(
        604_800.0, description="Pathology's reports that were changed longer ago are not looked at. Not above look_back_s."
    )
    outcome_categories: tuple[str, ...] = Field(
        (
            "http://terminology.hl7.org/CodeSystem/v2-0074|PAT",
            "http://terminology.hl7.org/CodeSystem/v2-0074|SP",
            "http://terminology.hl7.org/CodeSystem/v2-0074|CP",
            "http://loinc.org|LP7839-6",
        ),
        min_length=1,
        description="Categories of pathology's reports, system|code.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> VerdictSettings:
        if self.try_within_s >= self.grace_s:
            raise ValueError("TOCSIN_VERDICTS__TRY_WITHIN_S must be below TOCSIN_VERDICTS__GRACE_S, or two processes try the same verdict")
        if self.outcome_window_s > self.look_back_s:
            raise ValueError(
                "TOCSIN_VERDICTS__OUTCOME_WINDOW_S may not be above TOCSIN_VERDICTS__LOOK_BACK_S: what is known would be told again"
            )
        return self
