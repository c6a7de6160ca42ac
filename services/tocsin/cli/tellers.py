"""How the demo speaks: a table for a person, or one JSON object a line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Protocol

import orjson
import typer
from rich.console import Console
from rich.text import Text

from tocsin.event.deadletter import DeadLetter
from tocsin.report.flag import Flag
from tocsin.sandbox.demo.run import Told
from tocsin.sandbox.stack import Stack


class Totals:
    """What has come so far."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.published = 0
        self.not_assessable = 0
        self.refusals: list[dict[str, str]] = []
        self.first_flag_s: float | None = None

    def count(self, told: Told) -> None:
        """One more ending."""
        if isinstance(told.ending, DeadLetter):
            self.refusals.append({"media": told.media, "reason": told.ending.reason})
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
    """How the demo speaks."""

    def begin(self, drawn: bool) -> None:
        """Before the first ending; `drawn` where the pictures were drawn by the demo."""

    def tell(self, told: Told) -> None:
        """One ending."""

    def end(self, totals: Totals, stack: Stack, log: Path | None) -> None:
        """After the last; `log` is the consumer's where the stack stays up."""


class JsonTeller:
    """One object a flag, then the totals."""

    def begin(self, drawn: bool) -> None:
        """Nothing to say yet."""

    def tell(self, told: Told) -> None:
        """Flags only; refusals stand among the totals."""
        if isinstance(told.ending, Flag):
            flag = told.ending.model_dump(
                include={"media", "subject", "outcome", "band", "flagged", "probability", "reason"}, exclude_none=True
            )
            typer.echo(orjson.dumps({**flag, "seconds": round(told.seconds, 3), "report": told.url}).decode())

    def end(self, totals: Totals, stack: Stack, log: Path | None) -> None:
        """The totals."""
        summary = {
            "published": totals.published,
            "not_assessable": totals.not_assessable,
            "refused": len(totals.refusals),
            "first_flag_s": None if totals.first_flag_s is None else round(totals.first_flag_s, 2),
            "total_s": round(totals.elapsed_s, 2),
            "refusals": totals.refusals,
        }
        typer.echo(orjson.dumps(summary).decode())


_STYLES: Final = {"high": "bold red", "raised": "yellow", "not assessable": "magenta", "refused": "bold magenta"}


class TableTeller:
    """Rows as they come, for a person."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._headed = False

    def begin(self, drawn: bool) -> None:
        """What is about to be seen."""
        if drawn:
            self._say("\nThese pictures are drawn by Tocsin itself: their scores mean nothing. Not for clinical use.\n")
        else:
            self._say("\nScores are the reference model's. Not for clinical use without local validation.\n")

    def tell(self, told: Told) -> None:
        """One row, the first one below the columns' names."""
        if not self._headed:
            self._row("media", "patient", "band", "score", "seconds", "DiagnosticReport", style="bold")
            self._headed = True
        ending = told.ending
        seconds = f"{told.seconds:.2f}"
        if isinstance(ending, DeadLetter):
            self._row(told.media, "", "refused", "", seconds, f"dead letter: {ending.reason}", style=_STYLES["refused"])
        elif ending.outcome == "assessed":
            self._row(
                ending.media,
                ending.subject,
                ending.band or "",
                f"{ending.probability:.3f}",
                seconds,
                told.url,
                _STYLES.get(ending.band or "", ""),
            )
        else:
            where = f"{told.url} ({ending.reason})"
            self._row(ending.media, ending.subject, "not assessable", "", seconds, where, style=_STYLES["not assessable"])

    def end(self, totals: Totals, stack: Stack, log: Path | None) -> None:
        """The totals and where to look next."""
        self._say(
            f"\n{totals.published} judged, {totals.not_assessable} not assessable, {len(totals.refusals)} refused; "
            f"first flag after {totals.first_flag_s or 0:.1f} s, all after {totals.elapsed_s:.1f} s."
        )
        if log is None:
            self._say("All of it is taken down now. Next: `tocsin demo --stay` to look around; services/tocsin/journey.py to read.")
            return
        self._say(
            f"\nStill up, until Ctrl-C:\n"
            f"  reports    curl '{stack.fhir.base_url}/DiagnosticReport?_sort=-_lastUpdated&_pretty=true'\n"
            f"  touched    curl '{stack.fhir.base_url}/Provenance?entity=Media/demo-001&_pretty=true'\n"
            f"  Kafka      {stack.kafka.bootstrap_servers} (topics imaging.events.v1, tocsin.flags.v1, imaging.events.v1.dead-letters)\n"
            f"  Triton     {stack.triton.http_url}/v2/models/sklesion\n"
            f"  log        {log}"
        )

    def _row(self, media: str, patient: str, band: str, score: str, seconds: str, report: str, style: str = "") -> None:
        row = f"{media:<15} {patient:<24} {band:<16} {score:>6} {seconds:>8}  {report}"
        self._console.print(Text(row.rstrip(), style=style), soft_wrap=True)

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)
