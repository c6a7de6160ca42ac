"""The verdicts that readers handed in at this process, by their form, so that one that is sent twice is the very same act."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from tocsin.review.types import Standing, Verdict
from tocsin.serve.page.ports import Kept

KEPT_MAX: Final = 4096
"""The most verdicts that are remembered. A forgotten one that is sent again is recognised by the record."""


class AnotherAct(Exception):
    """The form was sent before, with another act in it."""


class Submissions:
    """Verdicts by the submissions of their forms. Safe for threads; bounded, and without a patient."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept: OrderedDict[str, tuple[Verdict, Standing | None]] = OrderedDict()
        self._kept_max = kept_max
        self._lock = threading.Lock()

    def once(self, submission: str, verdict: Verdict) -> Verdict:
        """The verdict as it was handed in first. Raises AnotherAct where the form was sent with another act."""
        with self._lock:
            first, _ = self._kept.setdefault(submission, (verdict, None))
            while len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
        if first.id != verdict.id:
            raise AnotherAct
        return first

    def told(self, submission: str, verdict: Verdict, standing: Standing) -> None:
        """Remember what became of it."""
        with self._lock:
            self._kept[submission] = (verdict, standing)

    def of(self, report: str) -> list[Kept]:
        """Those on this DiagnosticReport/<id> of which it is known what became of them, oldest first."""
        with self._lock:
            found = [(verdict, standing) for verdict, standing in self._kept.values() if verdict.report == report]
        return [_kept(verdict, standing) for verdict, standing in found if standing is not None]


def _kept(verdict: Verdict, standing: Standing) -> Kept:
    by = (verdict.clinician, verdict.issuer)
    return Kept(verdict.id, verdict.act, standing.state, by, verdict.report_version, verdict.decided_at)
