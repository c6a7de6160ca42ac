"""Settings of `tocsin evaluate`."""

from __future__ import annotations

from pydantic import Field, PositiveFloat

from tocsin.settings.values import Group

AT_ONCE_MOST = 256


class EvaluateSettings(Group):
    """How `tocsin evaluate` has pictures judged."""

    pictures_at_once: int = Field(
        8,
        gt=0,
        le=AT_ONCE_MOST,
        description="Pictures under way together; Triton puts them into batches, and others are decoded meanwhile.",
    )
    give_up_after_s: PositiveFloat = Field(
        120.0,
        description="How long one picture is tried again while Triton or the FHIR server is away; then the run ends, to be gone on with.",
    )
