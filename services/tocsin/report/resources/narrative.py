"""Generated narrative (FHIR R4, narrative.html): what a viewer shows that knows nothing else of a resource. Every value is escaped."""

from __future__ import annotations

import html
from functools import lru_cache

from tocsin.fhir.datatypes import Json
from tocsin.report.words import ReportWords, sentence


class Narrator:
    """The narratives of one report and its parts: each names lesion and day first, and last that it is AI's."""

    def __init__(self, words: ReportWords) -> None:
        """Makes what they have in common."""
        self._words = words
        rehearsal = f"<p><b>{_sentence(words.rehearsal)}</b></p>" if words.rehearsal else ""
        place = f"<p><b>{_escaped(words.where)}, {_escaped(words.when)}</b></p>"
        self._head = f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{words.language}" xml:lang="{words.language}">{rehearsal}{place}'
        self._tail = f"<p><b>{_escaped(words.review)}</b></p></div>"
        self._result = f"<b>{_sentence(words.result)}</b>"
        self._scale = _paragraph(words.scale)
        self._numbers = _paragraph(words.numbers) + self._scale
        self._classes = _paragraph(words.class_scale)
        self._model = _paragraph(words.model)

    def of_report(self, heading: str) -> Json:
        """The report: what the conclusion says, and the table of all classes under this heading."""
        table = self._table(heading) + self._classes if self._words.classes else ""
        return self._narrative(f"<p>{self._result} {_escaped(self._words.meaning)}</p>{self._numbers}{table}{self._model}")

    def of_score(self) -> Json:
        """The Observation of the score for malignancy."""
        return self._narrative(f"<p>{self._result}</p>{self._numbers}{self._model}")

    def of_class(self, name: str, number: str) -> Json:
        """The Observation of one class, by its name and its number."""
        return self._narrative(f"<p>{_escaped(name)}: {number}</p>{self._classes or self._scale}")

    def of_risk(self) -> Json:
        """The RiskAssessment."""
        return self._narrative(f"<p>{self._result} {_escaped(self._words.meaning)}</p>{self._numbers}{self._model}")

    def _narrative(self, body: str) -> Json:
        return {"status": "generated", "div": f"{self._head}{body}{self._tail}"}

    def _table(self, heading: str) -> str:
        head = f"<tr><th>{_escaped(heading)}</th><th>{_escaped(self._words.column)}</th></tr>"
        rows = "".join([f"<tr><td>{_escaped(each.name)}</td><td>{each.score}</td></tr>" for each in self._words.classes])
        return f"<table>{head}{rows}</table>"


def _paragraph(words: str) -> str:
    return f"<p>{_sentence(words)}</p>" if words else ""


def _sentence(words: str) -> str:
    return _escaped(sentence(words))


@lru_cache(maxsize=1024)
def _escaped(words: str) -> str:
    """Most of what is said is said of every picture."""
    return html.escape(words)
