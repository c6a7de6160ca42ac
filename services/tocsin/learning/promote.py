"""Whether a site file may be used: later labels of other patients, held against bounds that were registered before there were any."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from tocsin.errors import ConfigurationError
from tocsin.learning.about import gated
from tocsin.learning.bounds import Rule, held
from tocsin.learning.calibrate import SELECTED, must_fit
from tocsin.learning.carried import go_live
from tocsin.learning.labelled import Labelled, patients_with, read_labelled
from tocsin.model_card import ModelCard
from tocsin.site.file import fits, read_site_file
from tocsin.site.folder import SiteFolder
from tocsin.site.gate import gate_sha256
from tocsin.site.parts import Evaluated, SiteFile
from tocsin.site.protocol import Protocol, Written
from tocsin.site.record import Decision, Finding, Record, sha256
from tocsin.site.written import to_yaml

TOLD_MAX: Final = 500
NO_REPORT: Final = "every bound was met, and the go-live report could not be made"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is handed in for a promotion."""

    candidate: Path
    protocol: Written
    later: Path
    """The file of scores with the later labels."""
    fitted: Path
    """The file of scores to which the site file was fitted."""
    card: ModelCard
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it."""

    obstacles: tuple[str, ...]
    """Why the labels were not looked at; empty where they were."""
    findings: tuple[Finding, ...]
    decision: Decision

    @property
    def promoted(self) -> bool:
        """Whether the site file is in use now."""
        return self.decision.what == "promoted"


def register(folder: SiteFolder, protocol: Written, by: str, at: datetime) -> Decision:
    """Note the protocol, and keep a copy. Labels count under it from the next day on. Raises ConfigurationError."""
    with folder.changing() as record:
        site = record[0].site if record else protocol.protocol.site
        if site != protocol.protocol.site:
            raise ConfigurationError(f"this is the folder of {site}, and the protocol is one for {protocol.protocol.site}")
        if earlier := record.registered(protocol.sha256):
            return earlier
        folder.keep(folder.protocol(protocol.sha256).name, protocol.content)
        return folder.step(record, _decision("registered", site, by, at, protocol_sha256=protocol.sha256))[-1]


def promote(folder: SiteFolder, attempt: Attempt) -> Outcome:
    """Hold the site file against the labels, and use it where every bound is met; either way the record says so.

    Raises ConfigurationError where a file is wrong or the folder cannot be written: nothing was decided then.
    """
    candidate, content = read_site_file(attempt.candidate), attempt.candidate.read_bytes()
    protocol = attempt.protocol.protocol
    later = read_labelled(attempt.later, protocol.label_kinds, named=True)
    fitted = read_labelled(attempt.fitted, named=True)
    must_fit(later, attempt.card)
    if problems := fits(attempt.card, candidate):
        raise ConfigurationError(f"the site file does not fit the card of {attempt.card.model}: {'; '.join(problems)}")
    if later.header.input_gate_sha256 != gate_sha256(candidate.input_gate):
        raise ConfigurationError(
            f"the later pictures were scored {gated(later.header)}, which is not what {candidate} would use: score them again "
            "(`tocsin evaluate --site-file` with this site file)"
        )
    with folder.changing() as record:
        _same_site(record, candidate, protocol)
        facts = {"protocol_sha256": attempt.protocol.sha256, "candidate_sha256": sha256(content), "scores_sha256": later.scores_sha256}
        rules = Rule.of(attempt.card, candidate), Rule.of(attempt.card, _comparable(folder.active(), attempt.card))
        seen = {each.threshold for each in (*rules, Rule.of(attempt.card, None))}
        obstacles = tuple(_obstacles(record, attempt, candidate, later, fitted, seen))
        findings = () if obstacles else held(protocol, later.cases, later.heaviest, *rules)
        if obstacles or not all(each.met for each in findings):
            why = "; ".join(obstacles)[:TOLD_MAX] or "not every bound was met"
            refused = _decision("refused", candidate.name, attempt.by, attempt.at, findings=findings, reason=why, **facts)
            return Outcome(obstacles, findings, folder.step(record, refused)[-1])
        decision = _carried(folder, record, attempt, candidate, later, findings, facts)
        return Outcome((), findings, folder.step(record, decision)[-1])


def roll_back(folder: SiteFolder, to: int | None, reason: str | None, by: str, at: datetime, card: ModelCard) -> Decision:
    """Use an earlier site file again: the one that was in use when the present one was promoted, or that version; 0: none, the card alone.

    One that was rolled back itself comes back by its number alone.

    Raises ConfigurationError where there is no such version, or it does not fit the card.
    """
    with folder.changing() as record:
        now, promoted = record.in_use, {each.version: each for each in record.promoted()}
        if now is None:
            raise ConfigurationError(f"nothing was ever promoted in {folder.path}")
        version = _before(record, now) if to is None else to
        if version == (now.version or 0):
            raise ConfigurationError(f"version {version} is in use already" if version else "no site file is in use already")
        if version == 0:
            return folder.step(record, _decision("rolled-back", now.site, by, at, reason=reason))[-1]
        target = promoted.get(version)
        if target is None:
            raise ConfigurationError(f"version {version} was never promoted: there are {', '.join(map(str, promoted))}")
        if problems := fits(card, read_site_file(folder.of(now.site, version))):
            raise ConfigurationError(f"version {version} does not fit the card of {card.model}: {'; '.join(problems)}")
        step = _decision("rolled-back", now.site, by, at, reason=reason, version=version, site_file_sha256=target.site_file_sha256)
        return folder.step(record, step)[-1]


def _before(record: Record, now: Decision) -> int:
    """The version that was in use when the one in use now was promoted. Raises ConfigurationError where that was none."""
    if now.version is None:
        raise ConfigurationError("the card alone is in use, after a roll-back: `--to VERSION` names what is to be used again")
    place = next(number for number, each in enumerate(record) if each.what == "promoted" and each.version == now.version)
    before = Record(record[:place]).in_use
    if before is None:
        raise ConfigurationError(f"version {now.version} is the first: `--to 0` takes it out of use, which leaves the card alone")
    if before.version is None:
        raise ConfigurationError(f"version {now.version} followed the card alone, which `--to 0` puts in use; `--to VERSION` names another")
    return before.version


def _carried(
    folder: SiteFolder,
    record: Record,
    attempt: Attempt,
    candidate: SiteFile,
    later: Labelled,
    findings: tuple[Finding, ...],
    facts: dict[str, str],
) -> Decision:
    """Keep the site file with the evaluation that carried it, and say so."""
    known = [*folder.taken(candidate.name), *(each.version or 0 for each in record)]
    version = max([candidate.version, *(each + 1 for each in known)])
    try:
        whole = go_live(later, candidate, attempt.card, attempt.protocol.protocol, attempt.at)
    except Exception:  # for whoever tries again: the bounds were held against these labels, whatever failed after that
        folder.step(record, _decision("refused", candidate.name, attempt.by, attempt.at, findings=findings, reason=NO_REPORT, **facts))
        raise
    facts = {**facts, "go_live_sha256": sha256(whole)}
    report = _report(attempt, candidate, later, findings, facts, version)
    evaluation = Evaluated(
        report_sha256=sha256(report), protocol_sha256=attempt.protocol.sha256, labels=later.labels, carried_on=attempt.at
    )
    site = to_yaml(candidate.model_copy(update={"version": version, "evaluation": evaluation}))
    folder.keep(folder.go_live(candidate.name, version).name, whole)
    folder.keep(folder.report(candidate.name, version).name, report)
    folder.keep(folder.of(candidate.name, version).name, site)
    said: dict[str, Any] = {**facts, "version": version, "site_file_sha256": sha256(site), "report_sha256": sha256(report)}
    return _decision("promoted", candidate.name, attempt.by, attempt.at, findings=findings, **said)


def _report(
    attempt: Attempt, candidate: SiteFile, later: Labelled, findings: tuple[Finding, ...], facts: dict[str, str], version: int
) -> bytes:
    said = {
        "tocsin_promotion": 1,
        "site": candidate.name,
        "version": version,
        "model": candidate.model,
        "carried_on": attempt.at.isoformat(),
        **facts,
        "labels": later.labels.model_dump(mode="json"),
        "not_assessable": later.not_assessable,
        "unlabelled": later.unlabelled,
        "labels_of_other_kinds": later.other_kinds,
        "protocol": attempt.protocol.protocol.model_dump(mode="json"),
        "findings": [each.model_dump(mode="json") for each in findings],
    }
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _comparable(now: SiteFile | None, card: ModelCard) -> SiteFile | None:
    """The site file in use; None where it is one for another model, which did not score these pictures: then the card alone is."""
    return None if now is None or fits(card, now) else now


def _same_site(record: Record, candidate: SiteFile, protocol: Protocol) -> None:
    names = {candidate.name, protocol.site, *(each.site for each in record[:1])}
    if len(names) > 1:
        raise ConfigurationError(f"site file, protocol and folder must be of one site, not of {' and '.join(sorted(names))}")
    if candidate.model != protocol.model:
        raise ConfigurationError(f"the protocol is one for {protocol.model}, and the site file one for {candidate.model}")


def _obstacles(
    record: Record, attempt: Attempt, candidate: SiteFile, later: Labelled, fitted: Labelled, seen: Collection[float]
) -> Iterator[str]:
    """Why the labels may not speak for the site file. Nothing here rests on what they say of it.

    `seen`: scores from which readers may have seen flags when they chose whom to look at: by the card, the site file in use, the new one.
    """
    protocol = attempt.protocol.protocol
    registered = record.registered(attempt.protocol.sha256)
    if registered is None:
        yield "this protocol was not registered (`tocsin site register`); one word changed makes another protocol"
    if (tried := record.attempts(attempt.protocol.sha256)) >= protocol.attempts_max:
        yield f"{tried} site file(s) were held against labels under this protocol, and attempts_max is {protocol.attempts_max}"
    if fitted.scores_sha256 != candidate.calibration.fitted_on.scores_sha256:
        yield "--fitted is not the file of scores to which the site file was fitted (another SHA-256)"
    yield from _too_few(protocol, later)
    if any(later.verification(each) == "by-score" for each in seen):
        yield f"{SELECTED}: have the labels of an audit sample sought (TOCSIN_AUDIT__RATE)"
    yield from _of_the_wrong_days(registered, candidate, later, fitted, _day(attempt.at))
    yield from _shared(protocol, later, fitted)


def _too_few(protocol: Protocol, later: Labelled) -> Iterator[str]:
    for what, count, least in (
        ("labelled pictures", len(later.cases), protocol.n_min),
        ("confirmed cancers", patients_with(later.cases), protocol.malignant_min),
    ):
        if count < least:
            yield f"{count} {what} are too few: the protocol wants {least}, {least - count} more"


def _day(at: datetime) -> date:
    """The later of the day here and that of UTC, since labels of the record may have either's."""
    return max(at.date(), at.astimezone(UTC).date())


def _of_the_wrong_days(registered: Decision | None, candidate: SiteFile, later: Labelled, fitted: Labelled, today: date) -> Iterator[str]:
    if later.undated:
        yield f"{later.undated} labels state no day (labelled_on), so that nobody can tell whether they are later"
    if later.days is None:
        return
    first, last = later.days
    known = [fitted.days[1]] if fitted.days is not None else []
    until = max(known + [_day(candidate.made_at)] * (fitted.undated > 0), default=_day(candidate.made_at))
    if first <= until:
        yield f"the earliest label is of {first}, and the site file was fitted to labels until {until}: only later ones count"
    if registered is not None and first <= (noted := _day(registered.at)):
        yield f"the earliest label is of {first}, and the protocol was registered on {noted}: only later labels count"
    if last > today:
        yield f"the latest label is of {last}, and today is {today}"


def _shared(protocol: Protocol, later: Labelled, fitted: Labelled) -> Iterator[str]:
    by, sources = protocol.disjoint_by, (later.header.source, fitted.header.source)
    if sources[0] != sources[1]:
        yield f"the evaluation labels come by {sources[0]} and the fitting labels by {sources[1]}, where a patient may have another name"
    for what, labelled in (("evaluation", later), ("fitting", fitted)):
        if labelled.unnamed[by]:
            yield f"{labelled.unnamed[by]} pictures of the {what} labels name no {by}, so that nobody can tell whether it is another"
    for each in ("patient", "lesion", "picture"):
        if common := later.names[each] & fitted.names[each]:
            yield f"{len(common)} {each}(s) are among the fitting labels too: leave them out"


def _decision(what: Any, site: str, by: str, at: datetime, **facts: Any) -> Decision:
    """A step that has no place in the record yet."""
    return Decision(at=at, by=by, what=what, site=site, **facts)
