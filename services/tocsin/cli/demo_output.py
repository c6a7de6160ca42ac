"""Prints the demo's findings: a table for a person, or one JSON object a line."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any, Final, Protocol

import orjson
import typer
from rich.console import Console

from tocsin.deadletter.types import DeadLetter
from tocsin.network import HOST
from tocsin.report.flag import Flag
from tocsin.sandbox.demo.run import Told, Up
from tocsin.sandbox.demo.ward import Case
from tocsin.terminal import plain, print_item, print_line, print_words, room

_REPORT_LIKE: Final = f"http://{HOST}:65535/fhir/DiagnosticReport/00000000-0000-0000-0000-000000000000 (outside-intended-ages)"
"""A report's cell as long as any can be: by it, all rows are told in the same form."""


class Totals:
    """Counts of the flags and dead letters that have come so far."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.published = 0
        self.not_assessable = 0
        self.refusals: list[dict[str, str | None]] = []
        self.first_flag_s: float | None = None

    def count(self, told: Told) -> None:
        """Count one ending more: a flag or a dead letter."""
        if isinstance(told.ending, DeadLetter):
            self.refusals.append({"file": told.file, "media": told.media, "reason": told.ending.reason})
            return
        if self.first_flag_s is None:
            self.first_flag_s = self.elapsed_s
        if told.ending.outcome == "assessed":
            self.published += 1
        else:
            self.not_assessable += 1

    @property
    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began


class Teller(Protocol):
    """Tells the demo's findings."""

    def begin(self) -> None:
        """Called before the first ending."""

    def tell(self, told: Told) -> None:
        """Tell one ending: a flag or a dead letter."""

    def end(self, totals: Totals, up: Up | None) -> None:
        """Called after the last ending; `up` says where the stack is, None where it goes down."""


class JsonTeller:
    """Prints one JSON object a flag, then the totals. Each says that it is not for clinical use, since each may be read alone."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._warning = {"warning": warning_of(cases)}

    def begin(self) -> None:
        """Says nothing yet."""

    def tell(self, told: Told) -> None:
        """Prints a flag; a refusal stands among the totals."""
        if isinstance(told.ending, Flag):
            flag = told.ending.model_dump(
                include={"media", "subject", "outcome", "band", "flagged", "probability", "reason"}, exclude_none=True
            )
            typer.echo(
                orjson.dumps({"file": told.file, **flag, "seconds": round(told.seconds, 3), "report": told.url, **self._warning}).decode()
            )

    def end(self, totals: Totals, up: Up | None) -> None:
        """Prints the totals, with the stack's addresses where it stays up."""
        summary: dict[str, Any] = {
            "published": totals.published,
            "not_assessable": totals.not_assessable,
            "refused": len(totals.refusals),
            "first_flag_s": None if totals.first_flag_s is None else round(totals.first_flag_s, 2),
            "total_s": round(totals.elapsed_s, 2),
            "refusals": totals.refusals,
            **self._warning,
        }
        if up is not None:
            summary |= {
                "export": up.variables,
                "health": {command: health_url(port) for command, port in up.health.items()},
                "log": str(up.log),
                "ehr_url": up.ehr,
                "review_url": up.review,
            }
        typer.echo(orjson.dumps(summary).decode())


def warning_of(cases: Sequence[Case]) -> str:
    """The warning for whoever sees the scores."""
    if all(case.file is None for case in cases):
        return "These pictures are drawn by Tocsin itself: their scores mean nothing. Not for clinical use."
    return "Scores are the reference model's. Not for clinical use without local validation."


def health_url(port: int) -> str:
    """The address of the page on which the process at this port says how it is."""
    return f"http://{HOST}:{port}/ready"


_STYLES: Final = {"high": "bold red", "raised": "yellow", "not assessable": "magenta", "refused": "bold magenta"}


class TableTeller:
    """Prints rows as they come, for a person; a row that does not fit takes several lines of names and values."""

    def __init__(self, console: Console, cases: Sequence[Case]) -> None:
        self._console = console
        self._warning = warning_of(cases)
        files = [plain(case.file) for case in cases if case.file is not None]
        self._file_width = max(map(len, ["file", *files])) if files else None
        self._headed = False

    def begin(self) -> None:
        """Prints the warning before the rows."""
        self._say()
        self._say(self._warning)
        self._say()

    def tell(self, told: Told) -> None:
        """Prints one row, the first one below the columns' names."""
        ending = told.ending
        if isinstance(ending, DeadLetter):
            self._row(told, ("", "refused", ""), f"dead letter: {ending.reason}")
        elif ending.outcome == "assessed":
            self._row(told, (ending.subject, ending.band or "", f"{ending.probability:.3f}"), told.url)
        else:
            self._row(told, (ending.subject, "not assessable", ""), f"{told.url} ({ending.reason})")

    def end(self, totals: Totals, up: Up | None) -> None:
        """Prints the totals, the warning once more, and where to look next."""
        self._say()
        self._say(
            f"{totals.published} judged, {totals.not_assessable} not assessable, {len(totals.refusals)} refused; "
            f"first flag after {totals.first_flag_s or 0:.1f} s, all after {totals.elapsed_s:.1f} s."
        )
        self._say(self._warning)
        if up is None:
            self._say("All of it is taken down now. Next: `tocsin demo --stay` to look around; services/tocsin/journey.py to read.")
        else:
            self._tell_up(up)

    def _tell_up(self, up: Up) -> None:
        fhir = up.variables["TOCSIN_FHIR__BASE_URL"]
        lines = [
            "",
            *([] if up.review is None else [f"Open a flag as a clinician: {up.review}", ""]),
            f"All flags, in the demo's own EHR: {up.ehr}",
            "",
            "Still up, until Ctrl-C. For Tocsin's own commands (`tocsin check`, `tocsin dead-letters`), paste this into another shell:",
            "",
            *(f"export {name}={quote(value)}" for name, value in up.variables.items()),
            "",
            f"reports  curl '{fhir}/DiagnosticReport?_sort=-_lastUpdated&_pretty=true'",
            f"touched  curl '{fhir}/Provenance?entity=Media/demo-001&_pretty=true'",
            *(f"health   curl {health_url(port)}   # tocsin {command}" for command, port in up.health.items()),
            *_traced(up),
            f"log      {up.log}",
        ]
        for line in lines:
            print_line(self._console, line)

    def _row(self, told: Told, cells: tuple[str, str, str], report: str) -> None:
        patient, band, score = cells
        row = {
            "media": told.media,
            "patient": patient,
            "band": band,
            "score": score,
            "seconds": f"{told.seconds:.2f}",
            "DiagnosticReport": report,
        }
        if self._file_width is not None:
            row = {"file": plain(told.file or ""), **row}
        line, width = self._line(row), room(self._console)
        if width is not None and len(self._line({**row, "DiagnosticReport": _REPORT_LIKE})) > width:
            print_item(self._console, tuple(row), tuple(row.values()), _STYLES.get(band, ""), width)
            return
        if not self._headed:
            print_line(self._console, self._line({name: name for name in row}), "bold")
            self._headed = True
        print_line(self._console, line, _STYLES.get(band, ""))

    def _line(self, row: Mapping[str, str]) -> str:
        file = "" if self._file_width is None else f"{row['file']:<{self._file_width}} "
        cells = f"{row['media']:<15} {row['patient']:<24} {row['band']:<16} {row['score']:>6} {row['seconds']:>8}"
        return f"{file}{cells}  {row['DiagnosticReport']}".rstrip()

    def _say(self, text: str = "") -> None:
        print_words(self._console, text)


def _traced(up: Up) -> list[str]:
    """How to look at a trace, where events are traced."""
    url = up.variables.get("TOCSIN_TRACES__QUERY_URL")
    if url is None:
        return []
    return ["trace    tocsin trace Media/demo-001   # after the lines above; any Media, DiagnosticReport or trace id", f"traces   {url}"]
