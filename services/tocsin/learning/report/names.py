"""What a report calls that which files and programs name by a code: columns of groups and their values, and why a picture has no score.

What a site named by itself stands as the site wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.learning.about import counted
from tocsin.learning.labels_csv import NOT_READ
from tocsin.learning.parts import Counted, Subgroup
from tocsin.learning.report.speech import Speech
from tocsin.report.obstacles import DISPLAYS
from tocsin.words.catalogue import to_say

COLUMNS: Final[Mapping[str, str]] = {
    "age band": to_say("Age"),
    "sex": to_say("Sex"),
    "site": to_say("Body site"),
    "body site": to_say("Body site"),
    "skin tone": to_say("Skin tone"),
    "device": to_say("Device"),
    "polarisation": to_say("Polarisation"),
    "clinic": to_say("Clinic"),
    "modality": to_say("Modality"),
}
VALUES: Final[Mapping[str, str]] = {
    "under 18": to_say("under 18"),
    "18 to 39": to_say("18 to 39"),
    "40 to 59": to_say("40 to 59"),
    "60 to 79": to_say("60 to 79"),
    "80 and over": to_say("80 and over"),
    "female": to_say("female"),
    "male": to_say("male"),
    "other": to_say("other"),
    "unknown": to_say("unknown"),
    "arm": to_say("arm"),
    "head-or-neck": to_say("head or neck"),
    "leg-or-genital": to_say("leg or genital area"),
    "trunk": to_say("trunk"),
}
"""Values that Tocsin itself gives (tocsin.learning.labels_csv, the cards' sexes and sites)."""
REFUSALS: Final[Mapping[str, str]] = {
    "row-malformed": to_say("Row of the list not readable"),
    "file-not-named": to_say("Row of the list names no file"),
    "file-outside": to_say("File outside the folders"),
    "file-missing": to_say("File not found"),
    "file-unreadable": to_say("File not readable"),
    "duplicate-row": to_say("File named by several rows"),
    "label-unreadable": to_say("Label not understood"),
    "label-kind-unreadable": to_say("Kind of label not understood"),
    "labelled-on-unreadable": to_say("Day of the label not understood"),
    "age-unreadable": to_say("Age not understood"),
    "weight-unreadable": to_say("Weight not understood"),
    "judgement-not-known": to_say("Labelled, and what was made of it is not known"),
    "media-unknown": to_say("Picture not in the record"),
    "media-withdrawn": to_say("Picture withdrawn in the record"),
    "media-malformed": to_say("Entry of the picture not readable"),
    "study-unknown": to_say("Study not in the record"),
    "content-missing": to_say("No picture stored"),
    "content-too-large": to_say("File too large"),
    "content-type-wrong": to_say("File of the wrong type"),
    "size-mismatch": to_say("File of another size than stated"),
    "hash-malformed": to_say("Check sum not readable"),
    "hash-mismatch": to_say("Check sum does not match"),
    "url-not-allowed": to_say("Address of the picture not allowed"),
    "url-redirected": to_say("Address of the picture leads elsewhere"),
    "url-refused": to_say("Picture not handed out by its server"),
    "not-an-image": to_say("No JPEG or PNG picture"),
    "image-truncated": to_say("Picture damaged or cut off"),
    "too-many-pixels": to_say("Picture with too many pixels"),
}
"""Why a picture was not judged, besides what the gate finds."""


def words_of(column: str) -> str:
    """The column's name without underscores."""
    return " ".join(column.replace("_", " ").split())


def column_name(column: str, speech: Speech) -> str:
    """The column, as it may begin a sentence."""
    words = words_of(column)
    return speech.say(COLUMNS[words]) if words in COLUMNS else words[:1].upper() + words[1:]


def value_name(group: Subgroup, speech: Speech) -> str:
    """The value, or that it is not known."""
    if not group.value:
        return speech.unknown
    known = group.value if words_of(group.column) in COLUMNS else ""
    return speech.say(VALUES[known]) if known in VALUES else group.value


def group_name(group: Subgroup, speech: Speech) -> str:
    """A group's column and value, as a sentence names it."""
    return f"{speech.inside(column_name(group.column, speech))} {value_name(group, speech)}"


def unread(flow: Counted) -> int:
    """How many rows or labels there were whose picture was never looked at."""
    return counted(flow.not_assessable, NOT_READ)


def refusal_name(code: str, speech: Speech) -> str:
    """Why a picture has no score; the code itself where it has no name."""
    name = DISPLAYS.get(code) or REFUSALS.get(code)
    return speech.say(name) if name else code
