"""The EHR's Tasks in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tocsin.errors import Contended
from tocsin.fhir.datatypes import Json, version_of


@dataclass
class FakeTasks:
    """Tasks port over a dictionary by id."""

    tasks: dict[str, Json] = field(default_factory=dict)
    written: int = 0

    def standing(self, ids: Sequence[str]) -> Mapping[str, Json]:
        """See Tasks."""
        return {each: self.tasks[each] for each in ids if each in self.tasks}

    def put(self, task: Json, version: str | None) -> None:
        """See Tasks."""
        known = self.tasks.get(task["id"])
        if version is not None and (known is None or version_of(known) != version):
            raise Contended("fhir", "HTTP 412")
        number = 1 if known is None else int(version_of(known) or 0) + 1
        self.tasks[task["id"]] = task | {"meta": {**task.get("meta", {}), "versionId": str(number)}}
        self.written += 1
