"""The decision record of a site: who registered, promoted, refused or rolled back what, when, and by which figures.

JSON Lines beside the site files. Each line ends with its own SHA-256 and names that of the line before, so that whoever changes a line has
to write all that follow anew. A record that was cut short, or written anew from there on, shows by its head alone: note the head elsewhere
(minutes, a ticket), and have it looked for (`tocsin site check --head`). It holds hashes, counts and figures; no patient, no picture.
"""

from __future__ import annotations

import hashlib
import os
import pwd
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, PositiveInt, ValidationError

from tocsin.errors import ConfigurationError
from tocsin.model_card import Code, Sha256
from tocsin.site.parts import SitePart
from tocsin.whole_file import replace

RECORD: Final = "decisions.jsonl"
NOTHING: Final = "0" * 64
"""What the first line has for a predecessor."""

_OWN: Final = b',"sha256":"'

By = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Finding(SitePart):
    """A bound of the protocol, and whether it was met."""

    bound: str = Field(max_length=200, description="What was bounded, of which group.")
    wanted: str = Field(max_length=100)
    figure: float | None = Field(description="What was found; null where the labels say nothing.")
    met: bool
    told: str = Field(max_length=300, description="The figure with what it rests on.")


class Decision(SitePart):
    """One step."""

    model_config = ConfigDict(title="Decision v1")

    decision_version: Literal[1] = 1
    number: PositiveInt = 1
    at: AwareDatetime = Field(description="By the clock of the machine on which it was done, with its offset from UTC.")
    by: By = Field(description="Who did it: as was told, else the operating system's user.")
    what: Literal["registered", "promoted", "refused", "rolled-back"]
    site: Code
    protocol_sha256: Sha256 | None = None
    candidate_sha256: Sha256 | None = Field(None, description="Of the site file as it was handed in.")
    version: PositiveInt | None = Field(None, description="Of the site file that is in use from here on; null: it stays, or none is.")
    site_file_sha256: Sha256 | None = Field(None, description="Of that site file.")
    scores_sha256: Sha256 | None = Field(None, description="Of the file of scores on which it rests.")
    report_sha256: Sha256 | None = Field(None, description="Of the evaluation's JSON.")
    go_live_sha256: Sha256 | None = Field(None, description="Of the go-live report's JSON on the same labels.")
    findings: tuple[Finding, ...] = ()
    reason: str | None = Field(None, max_length=500)
    previous: Sha256 = Field(NOTHING, description="`sha256` of the line before; zeros in the first line.")
    sha256: Sha256 = Field(NOTHING, description="Of this line's bytes as they would be without this field, and without the line's end.")


class Record(tuple[Decision, ...]):
    """All steps, the oldest first."""

    @property
    def head(self) -> str:
        """Hash of the last line."""
        return self[-1].sha256 if self else NOTHING

    @property
    def in_use(self) -> Decision | None:
        """The step that last chose what is in use; None where nothing was ever promoted."""
        return next((each for each in reversed(self) if each.what in ("promoted", "rolled-back")), None)

    def promoted(self) -> tuple[Decision, ...]:
        """The promotions, the oldest first."""
        return tuple(each for each in self if each.what == "promoted")

    def registrations(self) -> tuple[Decision, ...]:
        """The protocols that were registered, each by its first registration, the oldest first."""
        return tuple(each for each in self if each.what == "registered")

    def registered(self, protocol_sha256: str) -> Decision | None:
        """The first registration of that protocol."""
        return next((each for each in self.registrations() if each.protocol_sha256 == protocol_sha256), None)

    def attempts(self, protocol_sha256: str) -> int:
        """How many site files were held against labels under that protocol."""
        tried = (each for each in self if each.what in ("promoted", "refused") and each.findings)
        return sum(each.protocol_sha256 == protocol_sha256 for each in tried)


def read_record(folder: Path) -> Record:
    """The record of a folder, empty where none was begun. Raises ConfigurationError where a line is not what the next one says of it."""
    try:
        content = (folder / RECORD).read_bytes()
    except FileNotFoundError:
        return Record()
    except OSError as error:
        raise ConfigurationError(f"the decision record {folder / RECORD} cannot be read ({error.strerror})") from None
    return _verified(folder / RECORD, content.split(b"\n"))


def _verified(path: Path, lines: Sequence[bytes]) -> Record:
    if lines[-1]:
        raise ConfigurationError(f"the decision record {path} was changed: its last line has no end")
    decisions: list[Decision] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            decision = Decision.model_validate_json(line)
        except ValidationError:
            raise ConfigurationError(f"the decision record {path} was changed: line {number} is no decision") from None
        if decision.number != number or decision.previous != (decisions[-1].sha256 if decisions else NOTHING):
            raise ConfigurationError(f"the decision record {path} was changed: line {number} does not follow from line {number - 1}")
        if sha256(line.rpartition(_OWN)[0] + b"}") != decision.sha256:
            raise ConfigurationError(f"the decision record {path} was changed: line {number} is not as it was written")
        decisions.append(decision)
    return Record(decisions)


def append(folder: Path, record: Record, decision: Decision) -> Record:
    """The record with one more step, on disk before this returns: the whole file, or the one before.

    Only for whoever holds the folder's lock. Raises OSError.
    """
    whole = decision.model_copy(update={"number": len(record) + 1, "previous": record.head})
    said = whole.model_dump_json(exclude_none=True, exclude={"sha256"}).encode()
    own = sha256(said)
    before = (folder / RECORD).read_bytes() if record else b""
    replace(folder / RECORD, before + said[:-1] + _OWN + own.encode() + b'"}\n', 0o644)
    return Record((*record, whole.model_copy(update={"sha256": own})))


def user() -> str:
    """Who runs this process, as the operating system has it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def sha256(content: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(content).hexdigest()
