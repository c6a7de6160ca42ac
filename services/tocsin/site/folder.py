"""The folder of a site: its site files, which never change, the one in use, the protocols, and the decision record.

    NAME-1.yaml, NAME-2.yaml     site files that were promoted; NAME-1.evaluation.json: which bounds it met, by which figures;
                                 NAME-1.go-live.json: the whole go-live report on the same labels
    protocol-<hash>.yaml         protocols that were registered
    decisions.jsonl              the decision record: what it says last is in use
    active.yaml                  the same bytes as the site file in use: what TOCSIN_MODEL__SITE_FILE names

Every file is an ordinary one, so that the folder can be carried over as it is, into a ConfigMap too; whoever only reads needs no right to
write.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tocsin.errors import ConfigurationError
from tocsin.site.file import read_site_file
from tocsin.site.parts import SiteFile
from tocsin.site.record import Decision, Record, append, read_record, sha256
from tocsin.whole_file import replace

ACTIVE: Final = "active.yaml"
_VERSION: Final = re.compile(r"^([a-z0-9][a-z0-9-]*)-([1-9][0-9]*)\.yaml$")
_OF_VERSION: Final = re.compile(r"^([a-z0-9][a-z0-9-]*)-([1-9][0-9]*)\.(yaml|evaluation\.json|go-live\.json)$")


class SiteFolder:
    """A folder of one site. Nothing is kept in memory: each answer is what the folder says now."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self) -> Record:
        """The decision record. Raises as read_record does."""
        return read_record(self.path)

    def versions(self, name: str) -> dict[int, Path]:
        """Version -> site file of that name, whoever put it there."""
        found = ((_VERSION.match(each.name), each) for each in _listed(self.path))
        return {int(match[2]): each for match, each in found if match and match[1] == name}

    def taken(self, name: str) -> set[int]:
        """Versions of which any file is there, perhaps of a promotion that was killed before it came to its end."""
        return {int(match[2]) for each in _listed(self.path) if (match := _OF_VERSION.match(each.name)) and match[1] == name}

    def of(self, name: str, version: int) -> Path:
        """Where that version lies."""
        return self.path / f"{name}-{version}.yaml"

    def report(self, name: str, version: int) -> Path:
        """Where the evaluation lies that carried that version."""
        return self.path / f"{name}-{version}.evaluation.json"

    def go_live(self, name: str, version: int) -> Path:
        """Where the go-live report lies of the labels that carried that version."""
        return self.path / f"{name}-{version}.go-live.json"

    def active(self) -> SiteFile | None:
        """The site file in use; None where there is none."""
        path = self.path / ACTIVE
        return read_site_file(path) if path.exists() else None

    @contextmanager
    def changing(self) -> Iterator[Record]:
        """The record, for whoever goes on with it; nobody else does until the block ends.

        What an earlier step left undone, because its process was killed, is done first. Raises ConfigurationError where the record or the
        file in use was changed by hand, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                record = self.record()
                self._settle(record)
                yield record
            finally:
                os.close(descriptor)
        except BlockingIOError:
            raise ConfigurationError(f"somebody else is changing {self.path}: try again when they are done") from None
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written ({error.strerror})") from None

    def step(self, record: Record, decision: Decision) -> Record:
        """Note the step, then have it in use: a process that is killed between the two is followed by the next one.

        Raises ConfigurationError, and notes nothing, where the site file is not as it was promoted; one that says so where the step was
        noted and what is in use could not be written.
        """
        if decision.version is not None:
            self._content(decision)
        after = append(self.path, record, decision)
        try:
            self._settle(after)
        except OSError as error:
            raise ConfigurationError(
                f"it was decided and noted, but {self.path / ACTIVE} could not be written ({error.strerror}) and is as it was: mend that, "
                "and the next step that is taken here, such as registering the same protocol again, brings it into use"
            ) from None
        return after

    def keep(self, name: str, content: bytes) -> None:
        """Keep a file that never changes. Raises ConfigurationError where another of that name is there, OSError."""
        path = self.path / name
        if not path.exists():
            replace(path, content, 0o444)
        elif path.read_bytes() != content:
            raise ConfigurationError(f"{path} is there already and says something else: a version never changes")

    def problems(self) -> list[str]:
        """What is not as the record says. Raises ConfigurationError where the record itself was changed."""
        record = self.record()
        kept = [pair for each in record for pair in self._kept(each)]
        found = [f"{path.name} was changed, or is gone: the record has another SHA-256" for path, known in kept if _hash(path) != known]
        now = record.in_use
        if _hash(self.path / ACTIVE) != (now and now.site_file_sha256):
            found.append(f"{ACTIVE} is not what the record has in use ({_named(now)})")
        return found

    def protocol(self, protocol_sha256: str) -> Path:
        """Where the registered protocol lies."""
        return self.path / f"protocol-{protocol_sha256[:12]}.yaml"

    def _kept(self, decision: Decision) -> Iterator[tuple[Path, str | None]]:
        """The files that a step left, and their hashes."""
        if decision.what == "registered" and decision.protocol_sha256:
            yield self.protocol(decision.protocol_sha256), decision.protocol_sha256
        if decision.what == "promoted" and decision.version:
            yield self.of(decision.site, decision.version), decision.site_file_sha256
            yield self.report(decision.site, decision.version), decision.report_sha256
            if decision.go_live_sha256:  # steps of earlier releases have none
                yield self.go_live(decision.site, decision.version), decision.go_live_sha256

    def _settle(self, record: Record) -> None:
        """Have in use what the record says."""
        now, path = record.in_use, self.path / ACTIVE
        found, wanted = _hash(path), now and now.site_file_sha256
        if found == wanted:
            return
        known = {each.site_file_sha256 for each in record if each.site_file_sha256}
        if found is not None and found not in known:
            raise ConfigurationError(f"{path} was changed by hand: the record has {_named(now)} in use; move that file away to go on")
        if now is None or now.version is None:
            path.unlink()
            return
        replace(path, self._content(now), 0o444)

    def _content(self, decision: Decision) -> bytes:
        """The bytes of the site file that a step has in use. Raises ConfigurationError where they are others than were promoted."""
        path = self.of(decision.site, decision.version or 0)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise ConfigurationError(f"{path} is gone: put it back from a copy") from None
        if sha256(content) != decision.site_file_sha256:
            raise ConfigurationError(f"{path} was changed: the record has another SHA-256")
        return content


def _hash(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes())
    except FileNotFoundError:
        return None


def _named(decision: Decision | None) -> str:
    return "none" if decision is None or decision.version is None else f"{decision.site}-{decision.version}.yaml"


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
