"""Evaluation -> go-live report: first page first, then each part with its figures. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.learning.parts import Evaluation, Subgroup
from tocsin.learning.report import checklist, plots
from tocsin.learning.report import sentences as say
from tocsin.learning.report.figures import Figure
from tocsin.learning.report.methods import METHODS
from tocsin.learning.report.numbers import UNKNOWN, at_least, count, day, decimal, percent, share, shares, span, whole_percent
from tocsin.learning.report.types import Block, Facts, GoLive, Lines, Number, Paragraph, Section, Table
from tocsin.learning.types import Interval

SOURCES: Final = {"folder": "a folder with a list of labels", "fhir": "the FHIR server", "bus": "Tocsin's own flags"}
KINDS: Final = {
    "pathology": "Pathology (specimen)",
    "follow-up": "Follow-up (no change over months)",
    "stated": "Stated by the list of labels, kind not said",
    "verdict": "Clinician's verdict alone (agreement, no truth)",
}
OPEN: Final = "Open: to be written"


def composed(found: Evaluation) -> GoLive:
    """The report of an evaluation."""
    about, at = found.about, found.at_the_point
    where = f" at {about.site}" if about.site else ""
    return GoLive(
        title=f"Local validation of {about.model}{where}",
        subtitle=f"{about.title}. Evaluated on {day(about.made_at.date())}.",
        verdict=say.verdict(found),
        shown=at is not None and at.shown,
        answer=say.answer(found),
        numbers=tuple(_numbers(found)),
        sections=tuple(each for each in _sections(found) if each.blocks),
        made_at=about.made_at,
        key=f"{about.model} {about.card_sha256} {about.site_file_sha256} {about.scores_sha256} {found.point.threshold!r}",
    )


def _numbers(found: Evaluation) -> Iterator[Number]:
    at, work, confidence = found.at_the_point, found.workload, whole_percent(found.point.confidence)
    if at is None or work is None:
        return
    upper = ", upper bound" if found.reference.verification == "by-score" else ""
    malignant, benign = found.reference.malignant, found.reference.benign
    some = f"{confidence} interval "
    if malignant:
        yield Number(f"Sensitivity{upper}", percent(at.sensitivity.estimate), some + shares(at.sensitivity))
    if benign:
        yield Number("Specificity", percent(at.specificity.estimate), some + shares(at.specificity))
    yield Number("Flags per 100 pictures", decimal(work.flags_per_100.estimate, 1), some + span(work.flags_per_100, 1))


def _sections(found: Evaluation) -> Iterator[Section]:
    yield Section("What could not be shown yet", _lines(say.open_points(found)))
    yield Section("At the operating point", tuple(_point(found)))
    yield Section("Groups", tuple(_groups(found)))
    yield Section("Discrimination", _with(Paragraph(say.discrimination(found)), plots.roc(found), plots.histogram(found)))
    yield Section("Calibration", tuple(_calibration(found)))
    yield Section("Net benefit", tuple(_benefit(found)))
    yield Section("Agreement with clinicians", (Paragraph(say.agreement(found)),) if found.agreement else ())
    yield Section("What was evaluated", (Facts(tuple(_about(found))),))
    yield Section("What became of the pictures", (_flow(found),))
    yield Section("Reference standard", (_kinds(found), Paragraph(say.verification(found)), Facts(tuple(_reference(found)))))
    yield Section("How it was computed", (Lines(METHODS),))
    yield Section("Checklist", (Paragraph(CHECKLIST), _checklist(found)))


CHECKLIST: Final = (
    "What reporting guidelines ask of such a report, by their own item numbers, and where it is answered here. What is open nobody but "
    "a person "
    "can write. Items on how a model was built are its maker's, and left out."
)


def _with(*blocks: Block | None) -> tuple[Block, ...]:
    return tuple(each for each in blocks if each is not None)


def _lines(items: Iterator[str]) -> tuple[Block, ...]:
    known = tuple(items)
    return (Lines(known),) if known else ()


def _point(found: Evaluation) -> Iterator[Block]:
    at, work = found.at_the_point, found.workload
    if at is None or work is None:
        return
    point = say.point_said(found)
    yield Paragraph(f"{point[:1].upper()}{point[1:]}.")
    yield Table(
        "Pictures, as they were counted",
        ("", "Malignant", "Benign"),
        (
            ("Flagged", count(at.true_positive), count(at.false_positive)),
            ("Not flagged", count(at.false_negative), count(at.true_negative)),
        ),
        (0.5, 0.25, 0.25),
    )
    confidence = whole_percent(found.point.confidence)
    yield Table(
        "What flagging does",
        ("", "Estimate", f"{confidence} interval"),
        (
            ("Sensitivity", percent(at.sensitivity.estimate), shares(at.sensitivity)),
            ("Sensitivity, one-sided lower bound", at_least(at.sensitivity_at_least), ""),
            ("Specificity", percent(at.specificity.estimate), shares(at.specificity)),
            ("Positive predictive value", percent(at.ppv.estimate), shares(at.ppv)),
            ("Negative predictive value", percent(at.npv.estimate), shares(at.npv)),
            ("Flags per 100 pictures", decimal(work.flags_per_100.estimate, 1), span(work.flags_per_100, 1)),
            ("Flags per cancer found", decimal(work.flags_per_cancer_found.estimate), span(work.flags_per_cancer_found)),
        ),
        (0.5, 0.2, 0.3),
    )
    yield Paragraph(
        f"Predictive values and flags hold for the mix of these pictures, of which {percent(_prevalence(found))} are malignant, and for "
        "no other."
    )


def _prevalence(found: Evaluation) -> float:
    return found.reference.malignant / max(found.flow.labelled, 1)


def _groups(found: Evaluation) -> Iterator[Block]:
    if not found.subgroups:
        return
    sources = f" Skin tone: {found.about.skin_tone_source}." if found.about.skin_tone_source else ""
    yield Paragraph(
        f"Shown to work means: ten or more cancers, and sensitivity of at least {whole_percent(found.point.target)} shown with "
        f"{whole_percent(found.point.confidence)} confidence, allowing for the number of groups (Holm).{sources}"
    )
    yield from _with(plots.forest(found))
    yield Table(
        "Sensitivity and specificity in each group",
        ("Group", "Pictures", "Malignant", "Sensitivity", "Shrunken", "Specificity", "What may be said"),
        tuple(_group(each, found) for each in found.subgroups),
        (0.16, 0.09, 0.1, 0.14, 0.14, 0.14, 0.23),
    )


def _group(each: Subgroup, found: Evaluation) -> tuple[str, ...]:
    return (
        f"{say.column_name(each.column)}: {say.value_of(each)}",
        count(each.pictures),
        count(each.malignant),
        share(each.sensitivity),
        share(each.shrunken) if each.malignant else UNKNOWN,
        share(each.specificity),
        say.standing(each, found.point),
    )


def _calibration(found: Evaluation) -> Iterator[Block]:
    yield Paragraph(say.calibration(found))
    figures = found.calibration
    if figures is None:
        return
    yield from _with(plots.calibration(found))
    yield Table(
        "Calibration",
        ("", "Estimate", "Interval", "Good"),
        (
            ("Calibration intercept", decimal(figures.intercept.estimate), span(figures.intercept), "0"),
            ("Calibration slope", decimal(figures.slope.estimate), span(figures.slope), "1"),
            ("Observed over expected", decimal(figures.observed_over_expected.estimate), span(figures.observed_over_expected), "1"),
            ("Integrated calibration index", decimal(figures.ici, 3), "", "0"),
            ("Half of the pictures off by at most", decimal(figures.e50, 3), "", "0"),
            ("Nine in ten off by at most", decimal(figures.e90, 3), "", "0"),
            ("Brier score", decimal(figures.brier.estimate, 3), span(figures.brier, 3), "0"),
            ("Scaled Brier score", decimal(figures.scaled_brier.estimate, 3), span(figures.scaled_brier, 3), "1; 0 is a constant"),
            ("Expected calibration error, for comparison", decimal(figures.ece, 3), "", "0"),
        ),
        (0.4, 0.16, 0.24, 0.2),
    )


def _benefit(found: Evaluation) -> Iterator[Block]:
    if found.utility is None or not found.reference.malignant or not found.reference.benign:
        return
    here = found.utility.at_the_point
    yield Paragraph(
        f"Cancers found, less needless flags at the price that a reader sets who has lesions examined from a cancer probability of "
        f"{whole_percent(here.at)} on (NICE NG12 refers at {whole_percent(0.03)}). In cancers per 100 pictures; flagging none is 0."
    )
    yield Table(
        "Net benefit per 100 pictures",
        ("", "Estimate", f"{whole_percent(found.point.confidence)} interval"),
        (
            ("Flagged as the operating point does", *_per_100(here.model)),
            ("Every picture flagged", *_per_100(here.flag_all)),
            ("What the model adds to flagging every picture", *_per_100(here.over_flag_all)),
        ),
        (0.5, 0.2, 0.3),
    )
    if found.utility.curve:
        yield from _with(plots.net_benefit(found))
    else:
        yield Paragraph("Over other probabilities it cannot be drawn: the scores are no probabilities here.")


def _per_100(share_of: Interval) -> tuple[str, str]:
    hundred = Interval(100 * share_of.estimate, 100 * share_of.low, 100 * share_of.high, share_of.confidence)
    return decimal(hundred.estimate), span(hundred)


def _about(found: Evaluation) -> Iterator[tuple[str, str]]:
    about = found.about
    yield "Model", f"{about.model} ({about.title}), {about.manufacturer}"
    yield "Intended use", about.intended_use or UNKNOWN
    yield "Model card, SHA-256", about.card_sha256 or UNKNOWN
    yield "Site", about.site or UNKNOWN
    yield "Site file", f"{about.site_file}, SHA-256 {about.site_file_sha256}" if about.site_file else "none: the card's own scale"
    yield "Input gate", f"SHA-256 {about.input_gate_sha256}; {about.input_gate}" if about.input_gate_sha256 else "none"
    yield "Operating point", say.point_said(found)
    yield "Modality", about.modality or UNKNOWN
    yield "Pictures from", SOURCES.get(about.source, about.source) or UNKNOWN
    yield "Pictures taken", f"{day(about.taken_from)} to {day(about.taken_to)}" if about.taken_from and about.taken_to else UNKNOWN
    yield "How they were chosen", about.how_chosen or UNKNOWN
    yield "Skin tone told by", about.skin_tone_source or UNKNOWN
    yield "File of scores, SHA-256", about.scores_sha256 or UNKNOWN


def _flow(found: Evaluation) -> Table:
    flow = found.flow
    refused = sum(flow.not_assessable.values())
    verdicts = found.agreement.pictures if found.agreement else 0
    rows = [
        ("Read", count(flow.pictures)),
        ("Not assessable", count(refused)),
        *((f"— {reason}", count(number)) for reason, number in sorted(flow.not_assessable.items(), key=lambda item: (-item[1], item[0]))),
        ("Assessable, without a label (never counted as benign)", count(flow.unlabelled)),
        *((("Assessable, with a clinician's verdict alone", count(verdicts)),) if verdicts else ()),
        ("Assessable, with a label that speaks of truth: what the figures are of", count(flow.labelled)),
    ]
    return Table("Flow of pictures", ("", "Pictures"), tuple(rows), (0.75, 0.25))


def _kinds(found: Evaluation) -> Table:
    rows = tuple((KINDS.get(kind, kind), count(number)) for kind, number in found.reference.kinds.items() if number)
    return Table("Kinds of labels", ("Kind", "Pictures"), rows or ((UNKNOWN, count(found.flow.labelled)),), (0.75, 0.25))


def _reference(found: Evaluation) -> Iterator[tuple[str, str]]:
    reference = found.reference
    yield "Labels established", say.maturity(found)
    if len(reference.days) > 1:
        for kind, (first, last) in sorted(reference.days.items()):
            yield f"Of these: {KINDS.get(kind, kind)}", f"{day(first)} to {day(last)}"
    yield "Patients or lesions", count(reference.clusters) if reference.repeats else "each picture stands for itself"
    yield (
        "Malignant",
        f"{count(reference.malignant)} pictures" + (f" of {count(reference.cancers)} patients or lesions" if reference.repeats else ""),
    )
    yield "Benign", f"{count(reference.benign)} pictures"


def _checklist(found: Evaluation) -> Table:
    rows = tuple((topic, *numbers, where or OPEN) for topic, *numbers, where in checklist.rows(found))
    return Table("Items of reporting guidelines", ("Topic", *checklist.GUIDELINES, "Where"), rows, (0.32, 0.11, 0.12, 0.12, 0.12, 0.21))


def figures_of(report: GoLive) -> Iterator[Figure]:
    """Its plots, in their order."""
    yield from (block for section in report.sections for block in section.blocks if isinstance(block, Figure))
