"""Settings of the audit sample: pictures that were not flagged and are read all the same, so that missed cancers are found."""

from __future__ import annotations

from pydantic import AwareDatetime, Field, SecretStr, model_validator

from tocsin.settings.values import Group


class AuditSettings(Group):
    """Which reports below threshold are put up for an ordinary reading, each with a known probability; without a rate, none."""

    rate: float | None = Field(
        None,
        ge=1e-6,
        le=1,
        allow_inf_nan=False,
        description="Probability with which a report far below threshold is drawn, 0..1, such as 0.05; unset: none is, and sensitivity "
        "stays an upper bound. With secret and since.",
    )
    near_weight: float = Field(
        4.0, ge=1, le=100, allow_inf_nan=False, description="How many times likelier a report at the threshold is drawn than one far below."
    )
    probability_max: float = Field(0.5, gt=0, le=1, allow_inf_nan=False, description="Highest probability of any report. Not below rate.")
    secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret by which reports are drawn, 16 characters or more (HMAC-SHA256), so that nobody can tell which will be; all "
        "processes of the site have the same.",
    )
    since: AwareDatetime | None = Field(
        None,
        description="Reports issued from then on are drawn from, a time with its zone; set it anew whenever rate, near_weight, "
        "probability_max or secret change.",
        examples=["2026-03-01T00:00:00Z"],
    )

    @model_validator(mode="after")
    def _whole(self) -> AuditSettings:
        if len({each is None for each in (self.rate, self.secret, self.since)}) > 1:
            raise ValueError("TOCSIN_AUDIT__RATE, TOCSIN_AUDIT__SECRET and TOCSIN_AUDIT__SINCE are set together or not at all")
        if self.rate is not None and self.rate > self.probability_max:
            raise ValueError("TOCSIN_AUDIT__RATE may not be above TOCSIN_AUDIT__PROBABILITY_MAX")
        return self
