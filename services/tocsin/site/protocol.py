"""The protocol of a promotion: the bounds that a site sets, and registers, before it looks at the labels they are held against."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

import yaml
from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from tocsin.errors import ConfigurationError
from tocsin.model_card import Code, Sha256
from tocsin.setting_words import reading
from tocsin.site.parts import SitePart, Strictly

Kind = Literal["pathology", "follow-up", "stated"]
"""Kinds of labels that may speak of accuracy. A clinician's verdict is agreement, and is none of them."""
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]

BYTES_MAX: Final = 1_000_000


class GroupBound(SitePart):
    """A group of pictures for which the model must be shown to work, by itself."""

    column: Word = Field(description="Column of the file of scores, as it stands there: sex, age band, body site, skin tone, device, ...")
    value: Word = Field(description="The group's value in that column.")
    malignant_min: PositiveInt = Field(description="Fewest confirmed cancers of the group; repeats of one patient's are one.")
    sensitivity_at_least: Strictly = Field(description="For the exact one-sided lower bound, at the protocol's confidence.")

    def __str__(self) -> str:
        return f"{self.column}={self.value}"


class CalibrationBounds(SitePart):
    """How far the probabilities may be off, as estimated on the labels."""

    ici_max: Strictly = Field(description="Integrated calibration index: mean distance of a probability from what was seen.")
    slope_min: PositiveFloat
    slope_max: PositiveFloat
    observed_over_expected_min: PositiveFloat
    observed_over_expected_max: PositiveFloat

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("slope", "observed_over_expected"):
            if getattr(self, f"{name}_min") >= getattr(self, f"{name}_max"):
                raise ValueError(f"{name}_min must be below {name}_max")
        return self


class NetBenefitBound(SitePart):
    """Net benefit must not be worse than that of what is in use: the site file, else (none, or one for another model) the card alone."""

    at_probability: Strictly = Field(description="Probability from which an examination is worth it; NICE NG12 refers at 0.03.")
    loss_max: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="By how much it may be lower, in cancers found per picture: its difference's one-sided lower bound is held against it."
    )


class Protocol(SitePart):
    """What must be shown before a site file is used."""

    model_config = ConfigDict(title="Promotion protocol v1")

    protocol_version: Literal[1]
    name: Code
    site: Code = Field(description="Name of the site, as its site files have it.")
    model: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*/[1-9][0-9]*$", description="Name and version, as the card has them.")
    label_kinds: tuple[Kind, ...] = Field(min_length=1, description="Which labels count; a clinician's verdict never does.")
    disjoint_by: Literal["patient", "lesion"] = Field(
        description="No patient of the evaluation may be one of the fitting labels. lesion: only where the labels name no patients."
    )
    n_min: PositiveInt = Field(description="Fewest assessable pictures with a label.")
    malignant_min: PositiveInt = Field(description="Fewest confirmed cancers among them; repeats of one patient's are one.")
    confidence: Strictly = Field(description="Of every lower bound, one-sided.")
    sensitivity_at_least: Strictly = Field(description="For the exact lower bound over all pictures.")
    groups: tuple[GroupBound, ...] = Field(description="Each must meet its bound by itself; [] where there is none to list.")
    net_benefit: NetBenefitBound
    calibration: CalibrationBounds
    attempts_max: PositiveInt = Field(1, description="How many site files may be held against labels under this protocol.")

    @model_validator(mode="after")
    def _each_group_once(self) -> Self:
        if len(set(map(str, self.groups))) != len(self.groups):
            raise ValueError("groups: one stands twice")
        return self


class Written(NamedTuple):
    """A protocol as its file has it."""

    protocol: Protocol
    sha256: Sha256
    content: bytes


def read_protocol(path: Path) -> Written:
    """The protocol in a YAML file, and the hash of that file. Raises ConfigurationError: what is wrong with it and where."""
    with reading(f"the protocol {path}", Protocol, "protocol"), path.open("rb") as file:
        content = file.read(BYTES_MAX + 1)
        if len(content) > BYTES_MAX:
            raise ConfigurationError(f"the protocol {path} has more than {BYTES_MAX} bytes")
        return Written(Protocol.model_validate(yaml.safe_load(content)), hashlib.sha256(content).hexdigest(), content)
