"""Evaluation -> go-live report: first page first, then each part with its figures. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tocsin.learning.labels_csv import NOT_READ
from tocsin.learning.parts import OF_A_MONTH, Evaluation, Gate
from tocsin.learning.report import checklist, plots, sentences
from tocsin.learning.report import headings as heading
from tocsin.learning.report.compose_figures import at_the_point, calibration, groups, net_benefit
from tocsin.learning.report.figures import Figure
from tocsin.learning.report.methods import METHODS
from tocsin.learning.report.names import refusal_name, unread
from tocsin.learning.report.open_points import open_points
from tocsin.learning.report.speech import Speech
from tocsin.learning.report.types import Block, Facts, GoLive, Lines, Number, Paragraph, Section, Table
from tocsin.words.catalogue import to_say

SOURCES: Final = {
    "folder": to_say("a folder with a list of labels"),
    "fhir": to_say("the FHIR server"),
    "bus": to_say("Tocsin's own flags"),
}
CHOSEN: Final = {OF_A_MONTH: to_say("all pictures that were judged in the month and whose flags the bus still holds")}
"""What Tocsin itself says of how pictures were chosen; whoever chose them otherwise says so in own words."""
KINDS: Final = {
    "pathology": to_say("Pathology (specimen)"),
    "follow-up": to_say("Follow-up (no change over months)"),
    "stated": to_say("Stated by the list of labels, kind not said"),
    "verdict": to_say("Clinician's verdict alone (agreement, no truth)"),
}
UNSOUGHT: Final = to_say(
    "Assessable, verified with a probability that nobody knows: in no figure, since the audit sample stands for them too"
)


def composed(found: Evaluation, speech: Speech) -> GoLive:
    """The report of an evaluation, in one language."""
    about, at, say = found.about, found.at_the_point, speech.say
    where = f" {say('at {site}', site=about.site)}" if about.site else ""
    return GoLive(
        language=speech.language,
        title=say("Local validation of {model}{where}", model=about.model, where=where),
        subtitle=say("{title}. Evaluated on {day}.", title=about.title, day=speech.day(about.made_at.date())),
        verdict=sentences.verdict(found, speech),
        shown=at is not None and at.shown,
        answer=sentences.answer(found, speech),
        numbers=tuple(_numbers(found, speech)),
        sections=tuple(Section(say(name), blocks) for name, blocks in parts(found, speech)),
        made_at=about.made_at,
        key=key(found),
    )


def key(found: Evaluation) -> str:
    """Names what was evaluated, by whichever hashes are known."""
    about = found.about
    return f"{about.model} {about.card_sha256} {about.site_file_sha256} {about.scores_sha256} {found.point.threshold!r}"


def parts(found: Evaluation, speech: Speech) -> Iterator[tuple[str, tuple[Block, ...]]]:
    """One of tocsin.learning.report.headings, as it stands there in every language, and what stands under it; without empty ones."""
    yield from ((name, blocks) for name, blocks in _sections(found, speech) if blocks)


def _numbers(found: Evaluation, speech: Speech) -> Iterator[Number]:
    at, work, say = found.at_the_point, found.workload, speech.say
    if at is None or work is None:
        return

    def interval(limits: str) -> str:
        return say("{confidence}\u00a0% interval {limits}", confidence=speech.hundredths(found.point.confidence), limits=limits)

    if found.reference.malignant:
        name = say("Sensitivity, upper bound") if found.reference.verification == "by-score" else say("Sensitivity")
        yield Number(name, speech.percent(at.sensitivity.estimate), interval(speech.shares(at.sensitivity)))
    if found.reference.benign:
        yield Number(say("Specificity"), speech.percent(at.specificity.estimate), interval(speech.shares(at.specificity)))
    flags = work.flags_per_100
    yield Number(say("Flags per 100 pictures"), speech.decimal(flags.estimate, 1), interval(speech.span(flags, 1)))


def _sections(found: Evaluation, speech: Speech) -> Iterator[tuple[str, tuple[Block, ...]]]:
    open_lines = tuple(open_points(found, speech))
    ranking = Paragraph(sentences.discrimination(found, speech)), plots.roc(found, speech), plots.histogram(found, speech)
    standard = _kinds(found, speech), Paragraph(sentences.verification(found, speech)), Facts(tuple(_reference(found, speech)))
    yield heading.OPEN, (Lines(open_lines),) if open_lines else ()
    yield heading.POINT, tuple(at_the_point(found, speech))
    yield heading.GROUPS, tuple(groups(found, speech))
    yield heading.DISCRIMINATION, tuple(each for each in ranking if each is not None)
    yield heading.CALIBRATION, tuple(calibration(found, speech))
    yield heading.BENEFIT, tuple(net_benefit(found, speech))
    yield heading.AGREEMENT, (Paragraph(sentences.agreement(found, speech)),) if found.agreement else ()
    yield heading.ABOUT, (Facts(tuple(_about(found, speech))),)
    yield heading.FLOW, (_flow(found, speech),)
    yield heading.REFERENCE, standard
    yield heading.METHODS, (Lines(tuple(speech.say(each) for each in METHODS)),)
    yield heading.CHECKLIST, tuple(_checklist(found, speech))


def _about(found: Evaluation, speech: Speech) -> Iterator[tuple[str, str]]:
    about, say, unknown = found.about, speech.say, speech.unknown
    site_file = say("none: the card's own scale")
    if about.site_file:
        site_file = say("{site_file}, SHA-256 {sha256}", site_file=about.site_file, sha256=about.site_file_sha256)
    source = say(SOURCES[about.source]) if about.source in SOURCES else about.source
    chosen = say(CHOSEN[about.how_chosen]) if about.how_chosen in CHOSEN else about.how_chosen
    yield say("Model"), f"{about.model} ({about.title}), {about.manufacturer}"
    yield say("Intended use"), about.intended_use or unknown
    yield say("Model card, SHA-256"), about.card_sha256 or unknown
    yield say("Site"), about.site or unknown
    yield say("Site file"), site_file
    yield say("Input gate"), _gate(about.input_gate, speech)
    yield say("Operating point"), sentences.point_said(found, speech)
    yield say("Modality"), about.modality or unknown
    yield say("Pictures from"), source or unknown
    yield say("Pictures taken"), speech.days(about.taken_from, about.taken_to)
    yield say("How they were chosen"), chosen or unknown
    yield say("Skin tone told by"), about.skin_tone_source or unknown
    yield say("File of scores, SHA-256"), about.scores_sha256 or unknown


def _gate(gate: Gate | None, speech: Speech) -> str:
    if gate is None:
        return speech.say("not in use")
    return speech.say(
        "SHA-256 {sha256}; when it was made, by cross-validation, it refused {others} of the pictures of another kind and, wrongly, {own} "
        "of the model's own (with exact 95\u00a0% intervals)",
        sha256=gate.sha256,
        others=speech.share(gate.of_another_kind),
        own=speech.share(gate.of_its_own),
    )


def _flow(found: Evaluation, speech: Speech) -> Table:
    flow, say, count = found.flow, speech.say, speech.count
    verdicts, never = found.agreement.pictures if found.agreement else 0, unread(flow)
    refused = {reason: number for reason, number in flow.not_assessable.items() if reason not in NOT_READ}
    left_out = flow.pictures - sum(flow.not_assessable.values()) - flow.unlabelled - verdicts - flow.labelled
    rows = [
        *(((say("Rows and labels of which no picture was looked at"), count(never)),) if never else ()),
        *_reasons({reason: flow.not_assessable[reason] for reason in flow.not_assessable.keys() - refused.keys()}, speech),
        (say("Read"), count(flow.pictures - never)),
        (say("Not assessable"), count(sum(refused.values()))),
        *_reasons(refused, speech),
        (say("Assessable, without a label (never counted as benign)"), count(flow.unlabelled)),
        *(((say("Assessable, with a clinician's verdict alone"), count(verdicts)),) if verdicts else ()),
        *(((say(UNSOUGHT), count(left_out)),) if left_out and found.reference.unsought else ()),
        (say("Assessable, with a label that speaks of truth: what the figures are of"), count(flow.labelled)),
    ]
    return Table(say("Flow of pictures"), ("", say("Pictures")), tuple(rows), (0.75, 0.25))


def _reasons(refused: Mapping[str, int], speech: Speech) -> Iterator[tuple[str, str]]:
    for reason, number in sorted(refused.items(), key=lambda item: (-item[1], item[0])):
        yield f"— {refusal_name(reason, speech)}", speech.count(number)


def _kinds(found: Evaluation, speech: Speech) -> Table:
    rows = tuple((_kind(kind, speech), speech.count(number)) for kind, number in found.reference.kinds.items() if number)
    none = ((speech.unknown, speech.count(found.flow.labelled)),)
    return Table(speech.say("Kinds of labels"), (speech.say("Kind"), speech.say("Pictures")), rows or none, (0.75, 0.25))


def _kind(kind: str, speech: Speech) -> str:
    return speech.say(KINDS[kind]) if kind in KINDS else kind


def _reference(found: Evaluation, speech: Speech) -> Iterator[tuple[str, str]]:
    reference, say = found.reference, speech.say
    yield say("Labels established"), sentences.maturity(found, speech)
    of_truth = {kind: days for kind, days in reference.days.items() if kind != "verdict"}
    if len(of_truth) > 1:
        for kind, days in sorted(of_truth.items()):
            yield say("Of these: {kind}", kind=_kind(kind, speech)), speech.days(*days)
    if verdicts := reference.days.get("verdict"):
        yield say("Clinicians' verdicts, which are none of these"), speech.days(*verdicts)
    clusters = speech.count(reference.clusters) if reference.repeats else say("each picture stands for itself")
    malignant = speech.say_of(reference.malignant, "{number} picture", "{number} pictures")
    if reference.repeats:
        malignant += " " + speech.say_of(reference.cancers, "of {number} patient or lesion", "of {number} patients or lesions")
    yield say("Patients or lesions"), clusters
    yield say("Malignant"), malignant
    yield say("Benign"), speech.say_of(reference.benign, "{number} picture", "{number} pictures")


def _checklist(found: Evaluation, speech: Speech) -> Iterator[Block]:
    say = speech.say
    yield Paragraph(
        say(
            "What reporting guidelines ask of such a report, by their own item numbers, and where it is answered here. What is open nobody "
            "but a person can write. Items on how a model was built are its maker's, and left out."
        )
    )
    open_item = say("Open: to be written")
    rows = tuple((say(topic), *numbers, say(where) if where else open_item) for topic, *numbers, where in checklist.rows(found))
    yield Table(
        say("Items of reporting guidelines"),
        (say("Topic"), *checklist.GUIDELINES, say("Where")),
        rows,
        (0.32, 0.11, 0.12, 0.12, 0.12, 0.21),
    )


def figures_of(report: GoLive) -> Iterator[Figure]:
    """Its plots, in their order."""
    yield from (block for section in report.sections for block in section.blocks if isinstance(block, Figure))
