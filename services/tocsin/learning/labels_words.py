"""How a site's list of labels is to be read: its columns' names and its words, in those of Tocsin and of the model card.

A mapping is a YAML file; what it leaves out is read as here:

    columns: {file: image_name, malignant: target, patient_id: pid}    # Tocsin's name: the list's
    words:
      malignant: {malign: true, benigne: false}
      sex: {w: female, m: male}
      site: {rücken: trunk}                                            # the list's word: the card's site, or unknown
      label_kind: {histo: pathology}
    skin_tone_source: Fitzpatrick type, stated by the patient
    no_groups: [comment]                                               # columns that make no groups
    groups: [dx]                                                       # that make some although they name persons, or the outcome
    findings: {"http://snomed.info/sct|254651007": true}               # codes of pathology, for pictures of the record
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tocsin.errors import ConfigurationError
from tocsin.learning.types import LabelKind

NOTHING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "unknown", "not stated", "?"}) | {
    *("n.a.", "<na>", "#n/a", "#nv", "nil", "missing", "not known", "-", "--", "unbekannt", "keine angabe", "k.a.", "k. a.")
}
"""Words that say that nothing is known, in lower case."""
MALIGNANT: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "malignant"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "benign"), False),
}
SEX: Final[Mapping[str, str]] = {"female": "female", "f": "female", "male": "male", "m": "male"}
SITE: Final[Mapping[str, str]] = {
    "hand": "arm",
    "upper_extremity": "arm",
    "head_neck_face": "head-or-neck",
    "lower_extremity": "leg-or-genital",
    "foot": "leg-or-genital",
    "genital": "leg-or-genital",
    "trunk": "trunk",
}
"""Words of a list -> those of a card's sites. That hands are arms and feet are legs is our reading."""

Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Part):
    """What the list calls Tocsin's columns."""

    file: Name = "file"
    malignant: Name = "malignant"
    age: Name = "age"
    sex: Name = "sex"
    site: Name = "site"
    skin_tone: Name = "skin_tone"
    lesion_id: Name = "lesion_id"
    patient_id: Name = "patient_id"
    label_kind: Name = "label_kind"
    labelled_on: Name = "labelled_on"
    weight: Name = "weight"


class Words(_Part):
    """The list's own words, whatever their case, besides those that are known."""

    malignant: Mapping[str, bool] = {}
    sex: Mapping[str, str] = {}
    site: Mapping[str, str] = {}
    label_kind: Mapping[str, LabelKind] = {}


class LabelsMapping(_Part):
    """How one list of labels is read."""

    columns: Columns = Columns()
    words: Words = Words()
    findings: Mapping[Name, bool] = Field({}, description="Codes of pathology's findings as system|code -> whether malignant.")
    skin_tone_source: str | None = Field(None, max_length=300, description="By which scale the skin's tone is stated, and by whom.")
    no_groups: tuple[str, ...] = ()
    groups: tuple[str, ...] = Field((), description="Columns that make groups although they name persons, or the outcome: dx.")


def read_mapping(path: Path) -> LabelsMapping:
    """The mapping in a YAML file. Raises ConfigurationError."""
    try:
        return LabelsMapping.model_validate(yaml.safe_load(path.read_bytes()) or {})
    except OSError as error:
        raise ConfigurationError(f"the mapping {path} cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"the mapping {path} is not YAML in UTF-8") from None
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, each["loc"])) or "the whole" for each in error.errors()}))
        raise ConfigurationError(f"the mapping {path} says what is not understood at {places}: see `tocsin evaluate --help`") from None


def lowered(words: Mapping[str, object]) -> dict[str, object]:
    """The same words in lower case, without blanks around them."""
    return {word.strip().casefold(): meaning for word, meaning in words.items()}
