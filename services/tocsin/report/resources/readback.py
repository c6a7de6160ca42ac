"""Reads what a report in the record says: the way back from FHIR to report/said.py, for pages and documents. Pure.

Reports of before there was an Observation of the score are read too: their score stands in their mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from tocsin.fhir.canonical import BANDS, SCORES
from tocsin.fhir.datatypes import Json, an_object, objects, text
from tocsin.report.lesion import UNKNOWN, lesion_at
from tocsin.report.resources.mark import stored_report
from tocsin.report.resources.status import spoken_in
from tocsin.report.said import ClassSaid, Said, ThresholdSaid, highest_first, rounded

MALIGNANCY: Final = "malignancy"
"""Code of the score for malignancy, whatever the model (system SCORES); a class's code has its model's name before it."""
PER_CENT: Final = "%"


def said_in(report: Json, results: Iterable[Json] = (), media: Json | None = None) -> Said:
    """What the DiagnosticReport says, with the Observations that it names, and the Media for its body site where they state none.

    Whatever another program changed beyond reading is left out. Where Observations are lacking, what they say is not known (Said.unread);
    report/recalled.py adds what the model's card can answer for.
    """
    stored = stored_report(report)
    mark = stored.mark
    observations = [each for each in results if each.get("resourceType") == "Observation"]
    total = next((each for each in observations if _coded(each, SCORES)[0] == MALIGNANCY), {})
    score = _value(total) if mark is None else mark.score
    unread = len(observations) < len(objects(report.get("result")))
    site_file = None if mark is None or mark.score is None or _value(total) is not None else mark.site_file
    sites = (each.get("bodySite") for each in (total, *observations, media or {}))
    return Said(
        lesion=next((lesion_at(site) for site in sites if site), UNKNOWN),
        effective=_effective(report),
        status=stored.status,
        code=stored.code,
        display=_display(report),
        reason=_reason(report),
        score=score if _judged(report) else None,
        calibrated=True if site_file else None if unread and not total and score is not None else _is_probability(total),
        classes_calibrated=any(map(_is_probability, _of_classes(observations, total))),
        point=site_file or _point(report, total, "" if mark is None else mark.model_version),
        thresholds=tuple(_thresholds(total)),
        classes=_classes(_of_classes(observations, total)),
        title=text(an_object(report.get("code")).get("text")),
        model_version="" if mark is None else mark.model_version,
        conclusion=text(report.get("conclusion")) or None,
        language=text(report.get("language")) or "en",
        rehearsal=mark is not None and mark.rehearsal is not None,
        unread=unread,
    )


def said_by_model(report: Json, results: Iterable[Json] = (), media: Json | None = None) -> Said | None:
    """What the model said of it, by the mark, which a clinician's act leaves as it was; None where the report has no mark."""
    mark, found = stored_report(report).mark, said_in(report, results, media)
    if mark is None:
        return None
    own = next((each for each in _concepts(report) if any(code.get("code") == mark.code for code in objects(each.get("coding")))), {})
    display = next((text(each.get("display")) for each in objects(own.get("coding"))), "") or mark.code
    return replace(found, code=mark.code, display=display, reason=_why(report, own) if mark.score is None else "", score=mark.score)


def _concepts(report: Json) -> list[Json]:
    return objects(report.get("conclusionCode"))


def _judged(report: Json) -> bool:
    """Whether the report's conclusion is a band."""
    return any(each.get("system") == BANDS for each in _conclusion(report))


def _conclusion(report: Json) -> list[Json]:
    concepts = report.get("conclusionCode")
    return objects(an_object(concepts[0]).get("coding")) if isinstance(concepts, list) and concepts else []


def _display(report: Json) -> str:
    return next((text(each.get("display")) for each in _conclusion(report)), "")


def _reason(report: Json) -> str:
    """Why a picture is not assessable, by the first conclusion."""
    concepts = _concepts(report)
    return _why(report, concepts[0]) if concepts and not _judged(report) else ""


def _why(report: Json, concept: Json) -> str:
    """The conclusion without the words that say that the picture is not assessable."""
    before = spoken_in(report).say("Not assessable: {why}", why="")
    return text(concept.get("text")).removeprefix(before)


def _of_classes(observations: list[Json], total: Json) -> list[Json]:
    """The elements that hold the number of a class each."""
    return [each for each in (*observations, *objects(total.get("component"))) if _coded(each, SCORES)[0] not in ("", MALIGNANCY)]


def _is_probability(element: Json) -> bool:
    return an_object(element.get("valueQuantity")).get("code") == PER_CENT


def _point(report: Json, total: Json, version: str) -> str:
    """The operating point, as issuer.Fixed writes it behind the model; empty where the method says something else."""
    method, model = text(an_object(total.get("method")).get("text")), text(an_object(report.get("code")).get("text"))
    before = method_text(model, version, "")
    return method.removeprefix(before) if method.startswith(before) else ""


def method_text(title: str, version: str, point: str) -> str:
    """How a score came about: the model and the operating point."""
    return f"{title} v{version}, {point}"


def _effective(report: Json) -> Mapping[str, object]:
    stated = {"DateTime": text(report.get("effectiveDateTime")), "Period": an_object(report.get("effectivePeriod"))}
    return {form: value for form, value in stated.items() if value}


def _classes(elements: Iterable[Json]) -> tuple[ClassSaid, ...]:
    """The classes of Observations and their components, each once."""
    found = dict[str, ClassSaid]()
    for each in elements:
        code, display = _coded(each, SCORES)
        value = _value(each)
        if value is not None:
            found.setdefault(code, ClassSaid(code, display, value))
    return highest_first(found.values())


def _thresholds(total: Json) -> Iterator[ThresholdSaid]:
    for each in objects(total.get("component")):
        code, display = _coded(each, BANDS)
        value = _value(each)
        if code and value is not None:
            yield ThresholdSaid(code, display, value)


def _coded(element: Json, system: str) -> tuple[str, str]:
    """Code and display of an Observation or a component of one, in that system; empty where it has none."""
    codings = objects(an_object(element.get("code")).get("coding"))
    found = next((each for each in codings if each.get("system") == system), {})
    return text(found.get("code")), text(found.get("display"))


def _value(element: Json) -> float | None:
    """The score or probability of an Observation or a component, though it may be stated in per cent; None where it is not 0..1."""
    quantity = an_object(element.get("valueQuantity"))
    value = quantity.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    share = rounded(value / 100) if quantity.get("code") == PER_CENT else float(value)
    return share if 0 <= share <= 1 else None
