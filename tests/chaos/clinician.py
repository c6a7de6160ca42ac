"""Clinicians who open reports and act on them while everything fails: they log in, read the page, send its form until it is taken.

They act on pictures that the load never replaces (`is_for_clinicians`), and withdraw nothing: what they did has to stand.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from random import Random
from typing import Final, Protocol

from tocsin.sandbox.ehr import Chart, LittleEhr

from tests.chaos.manifest import Given
from tests.support.web_visitor import WITHIN_S, Shown, WebVisitor

CLINICIANS: Final = 2
SHARE: Final = 4
"""One picture of so many is never replaced by the load, and left to clinicians."""
PAUSE_S: Final = (0.4, 1.6)
"""Between two acts of one clinician."""
AGAIN_S: Final = 0.5
PATIENCE_S: Final = 90.0
END_WITHIN_S: Final = 120.0
UNDO_SHARE: Final = 0.25
BOTH_SHARE: Final = 0.25
"""Of the acts, so many are on the newest report, on which the other clinician may be at the same time."""
ACTS: Final[Sequence[dict[str, str]]] = (
    {"act": "accept"},
    {"act": "override", "code-override": "clinically-benign"},
    {"act": "correct", "code-correct": "mel"},
    {"act": "not-assessable", "code-not-assessable": "out-of-focus"},
)
_NUMBER: Final = re.compile(r"m-(\d+)\Z")
_HIDDEN: Final = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')
_TAKEN: Final = re.compile(r"\?verdict=([0-9a-f-]{36})")


def is_for_clinicians(media: str) -> bool:
    """Whether the load leaves the picture as it is."""
    number = _NUMBER.search(media)
    return number is not None and int(number[1]) % SHARE == 0


class Door(Protocol):
    """By which clinicians come."""

    @property
    def tocsin(self) -> str:
        """Address of Tocsin's pages."""

    def launch_url(self, launch: str) -> str:
        """The address that opens the report of this id, through the log-in."""


@dataclass
class Clinician:
    """One of them, with a browser and a session of their own."""

    ehr: Door
    flagged: Callable[[], Sequence[Chart]]
    """The reports that may be acted on by now, oldest first."""
    random: Random
    stopping: threading.Event
    given: list[Given] = field(default_factory=list)
    browser: WebVisitor = field(default_factory=WebVisitor)
    patience_s: float = PATIENCE_S
    """Longest time for which one act is tried; then the clinician goes on to another report."""
    within_s: float = WITHIN_S
    """Longest wait for one answer."""
    opened_at: float = 0.0
    """When the last page came: time.monotonic()."""
    untaken: int = 0
    """Acts of which nobody said within their time that they were taken: they may be on the bus or not."""

    def work(self) -> None:
        """Act on one report after another until told to stop."""
        while not self.stopping.wait(self.random.uniform(*PAUSE_S)):
            charts = self.flagged()
            if charts:
                newest = self.random.random() < BOTH_SHARE
                self.act(charts[-1] if newest else self.random.choice(charts))

    def act(self, chart: Chart) -> None:
        """Open the report and give one verdict on it, if the page comes and offers one."""
        until = time.monotonic() + self.patience_s
        page = self._opened(chart, until)
        if page is None:
            return
        self.opened_at = time.monotonic()
        undoes = re.search(r'name="undoes" value="([0-9a-f-]{36})"', page.text)
        if undoes is not None and self.random.random() < UNDO_SHARE:
            form, to = {"undoes": undoes[1]}, "undo"
        else:
            form, to = dict(self.random.choice(ACTS)), "verdict"
        fields = dict(_HIDDEN.findall(page.text))
        if not {"csrf", "submission", "report_version"} <= fields.keys():
            return  # the page offers no act
        form |= {name: fields[name] for name in ("csrf", "submission", "report_version")}
        taken = self._sent(chart, f"{self.ehr.tocsin}/{chart.report.replace('DiagnosticReport', 'reports')}/{to}", form, until)
        if taken is None:
            self.untaken += 1
        elif taken:
            self.given.append(Given(taken, chart.report, form.get("act", "undo")))

    def _opened(self, chart: Chart, until: float) -> Shown | None:
        """The report's page; None where it did not come in time."""
        for _ in self._tries(until):
            shown = self._asked(f"{self.ehr.tocsin}/{chart.report.replace('DiagnosticReport', 'reports')}")
            if shown is not None and shown.status == 200:
                return shown
            if shown is None or shown.status in (401, 409):  # nobody's session, or that of another chart
                self._launched(chart)
        return None

    def _sent(self, chart: Chart, url: str, form: dict[str, str], until: float) -> str | None:
        """Send the very form until it is taken: the verdict's id; empty where the page refuses it, None where nobody said."""
        for _ in self._tries(until):
            answer = self._asked(url, form)
            if answer is not None and answer.status == 303:
                taken = _TAKEN.search(answer.headers["location"])
                return "" if taken is None else taken[1]
            if answer is not None and answer.status in (404, 422):
                return ""
            if answer is None or answer.status in (401, 403, 409):
                page = self._opened(chart, until)
                form["csrf"] = form["csrf"] if page is None else dict(_HIDDEN.findall(page.text)).get("csrf", "")
        return None

    def _launched(self, chart: Chart) -> None:
        self.browser = WebVisitor(within_s=self.within_s)
        try:
            self.browser.open(self.ehr.launch_url(chart.report.partition("/")[2]), until=f"{self.ehr.tocsin}/reports")
        except (OSError, HTTPException, AssertionError, KeyError):
            return  # tried again by whoever opens the page

    def _asked(self, url: str, form: dict[str, str] | None = None) -> Shown | None:
        try:
            return self.browser.ask(url, form)
        except (OSError, HTTPException):
            return None

    def _tries(self, until: float) -> Iterator[None]:
        """One after another until it is too late; whoever is told to stop still ends what they began."""
        while time.monotonic() < until:
            yield
            time.sleep(AGAIN_S)


@dataclass(frozen=True)
class Clinicians:
    """All of them."""

    of: Sequence[Clinician]
    _threads: Sequence[threading.Thread]
    _stopping: threading.Event

    def stop(self) -> tuple[Given, ...]:
        """Nobody begins another act; gives every verdict of which a page said that it was taken."""
        self._stopping.set()
        deadline = time.monotonic() + END_WITHIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return tuple(given for each in self.of for given in each.given)


@contextmanager
def clinicians(ehr: LittleEhr, flags: Callable[[], Sequence[dict[str, object]]], seed: int) -> Iterator[Clinicians]:
    """At work until the block ends; `flags` tells every flag until now, the earliest first."""
    stopping = threading.Event()

    def flagged() -> Sequence[Chart]:
        found = {}
        for flag in flags():
            if is_for_clinicians(str(flag["media"])):
                found[str(flag["report"])] = Chart(str(flag["report"]), str(flag["subject"]), "")
        for chart in list(found.values()):
            if chart.report.partition("/")[2] not in ehr.charts:
                ehr.list(chart, first=False)
        return list(found.values())

    people = [Clinician(ehr, flagged, Random(f"clinician {seed} {number}"), stopping) for number in range(CLINICIANS)]
    threads = [threading.Thread(target=each.work, name=f"clinician-{number}") for number, each in enumerate(people)]
    for thread in threads:
        thread.start()
    at_work = Clinicians(people, threads, stopping)
    try:
        yield at_work
    finally:
        at_work.stop()
