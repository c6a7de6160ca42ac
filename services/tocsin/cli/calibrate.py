"""tocsin calibrate: makes a site file of a site's labels."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from tocsin.clock import utc_now
from tocsin.errors import ConfigurationError
from tocsin.learning.calibrate import OF_LABELS, Calibrated, Wish, calibrated
from tocsin.learning.labelled import Labelled, read_labelled
from tocsin.learning.scores import read_scores
from tocsin.learning.split import split as parted
from tocsin.learning.statistics.operating_point import NotShown, Shown
from tocsin.learning.statistics.recalibration import NotCalibratable
from tocsin.model_card import read_card
from tocsin.settings import read_settings
from tocsin.site.file import read_site_file
from tocsin.site.folder import SiteFolder
from tocsin.site.gate import InputGate, gate_sha256
from tocsin.site.record import sha256
from tocsin.site.written import to_yaml, write_whole
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, plain, print_words, progress, say

TOO_FEW: Final = 1


def _code(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", text):
        raise typer.BadParameter(f"{text!r} is no name like dermatology-north: small letters, digits and hyphens, at most 64")
    return text


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise typer.BadParameter(f"{text!r} is no number above 0 and below 1, such as 0.95")
    return share


Scores = Annotated[
    Path, typer.Option("--scores", metavar="FILE", exists=True, dir_okay=False, help="File of scores that `tocsin evaluate` wrote.")
]
Out = Annotated[
    Path, typer.Option("--out", metavar="SITE.yaml", dir_okay=False, help="Where the site file goes; one that is not promoted is replaced.")
]
Target = Annotated[
    float,
    typer.Option("--target-sensitivity", metavar="SHARE", parser=_share, help="Sensitivity that is to be shown.", show_default="0.95"),
]
Confidence = Annotated[
    float, typer.Option("--confidence", metavar="SHARE", parser=_share, help="Confidence with which, one-sided.", show_default="0.95")
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="SITE", parser=_code, help="Name of the site, as reports name it; unset: --out's name.")
]
Assumed = Annotated[
    float | None,
    typer.Option("--prevalence", metavar="SHARE", parser=_share, help="Share of malignant pictures among those that are judged here."),
]
Whence = Annotated[
    str | None, typer.Option("--prevalence-source", metavar="TEXT", help="Where that share comes from; goes with --prevalence.")
]
Card = Annotated[Path | None, typer.Option("--card", metavar="FILE", dir_okay=False, help="The model card; unset: TOCSIN_MODEL__CARD.")]
GateOf = Annotated[
    Path | None,
    typer.Option(
        "--gate-of",
        metavar="SITE.yaml",
        exists=True,
        dir_okay=False,
        help="The site file with whose input gate the pictures were scored; unset: TOCSIN_MODEL__SITE_FILE. Goes into the new one.",
    ),
]
Part = Annotated[
    int | None,
    typer.Option("--split", metavar="N", min=1, help="Fit to N labels, by chance and by patient, and write the others beside SITE.yaml."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of that chance.")]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON object as the last line.")]


def calibrate(
    scores: Scores,
    out: Out,
    target_sensitivity: Target = "0.95",  # type: ignore[assignment] # its parser reads this text too
    confidence: Confidence = "0.95",  # type: ignore[assignment] # its parser reads this text too
    name: Name = None,
    prevalence: Assumed = None,
    prevalence_source: Whence = None,
    card: Card = None,
    gate_of: GateOf = None,
    split: Part = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Make a site file of a site's labels: what a score means here, and from which one on pictures are flagged.

    The map from scores to probabilities is the simplest that the labels do not speak against: none, a new intercept, or intercept and
    slope. The threshold is the highest for which the sensitivity is shown; where none can be shown, the card's stays, and it is said how
    many confirmed cancers it takes. Clinicians' verdicts are no labels here. Nothing uses the file before `tocsin site promote` has held
    it against later labels.

    Examples, the second for labels that hold more cancers than the clinic sees:

    tocsin calibrate --scores scores.jsonl --target-sensitivity 0.95 --confidence 0.95 --out dermatology.yaml

    tocsin calibrate --scores scores.jsonl --out dermatology.yaml --prevalence 0.08 --prevalence-source "all lesions of 2026"

    Exit codes: 0 written, and said whether the sensitivity is shown; 1 there are too few labels, or none that scores go with, and nothing
    is written; 2 the options make no sense; 78 a file, the card or a setting is wrong.
    """
    quiet_libraries()
    if prevalence_source is not None and prevalence is None:
        raise typer.BadParameter("says where --prevalence comes from, which is not given", param_hint="--prevalence-source")
    named = name or _code(re.sub(r"[^a-z0-9-]+", "-", out.stem.lower()).strip("-") or "site")
    model = read_settings().model
    of = read_card(card or model.card)
    wish = Wish(
        named,
        _version(out, named),
        target_sensitivity,
        confidence,
        utc_now().astimezone(),
        prevalence,
        _source(prevalence, prevalence_source),
        _gate(scores, gate_of or model.site_file),
    )
    with progress().step("calibrating"):
        labelled = read_labelled(scores)
        if split is not None:
            labelled = replace(read_labelled(_part(scores, out, split, seed)), whole=labelled)
        try:
            made: Calibrated | None = calibrated(labelled, of, wish)
        except NotCalibratable as short:
            say(f"nothing was written: {short}")
            made = None
    content = b"" if made is None else to_yaml(made.site)
    if made is not None:
        write_whole(out, content)
        _tell(made, labelled, out)
    if as_json:
        typer.echo(orjson.dumps(result(made, labelled, out, content)).decode())
    if made is None:
        raise typer.Exit(TOO_FEW)


def result(made: Calibrated | None, labelled: Labelled, out: Path, content: bytes) -> dict[str, Any]:
    """What is told of it: null where nothing was made. Probabilities are those of the site file."""
    counted = {"n": len(labelled.cases), "malignant": labelled.malignant}
    names = ("kind", "intercept", "slope", "threshold", "score", "sensitivity_at_least", "more_cancers", "site_file", "sha256")
    if made is None:
        return {**dict.fromkeys(names), **counted, "shown": False}
    site, answer = made.site, made.answer
    return {
        "kind": site.calibration.kind,
        "intercept": site.calibration.intercept,
        "slope": site.calibration.slope,
        **counted,
        "threshold": made.threshold,
        "score": made.score,
        "shown": isinstance(answer, Shown),
        "sensitivity_at_least": answer.sensitivity_at_least if isinstance(answer, Shown) else None,
        "cancers": answer.cancers,
        "misses": answer.misses,
        "more_cancers": answer.more_cancers if isinstance(answer, NotShown) else None,
        "prevalence": site.prevalence.assumed,
        "name": site.name,
        "version": site.version,
        "site_file": str(out),
        "sha256": sha256(content),
    }


def _gate(scores: Path, site_file: Path | None) -> InputGate | None:
    """The gate with which the scores were made, if it is this site file's."""
    wanted = read_scores(scores)[0].input_gate_sha256
    gate = read_site_file(site_file).input_gate if wanted and site_file is not None else None
    return gate if gate_sha256(gate) == wanted else None


def _part(scores: Path, out: Path, n: int, seed: int) -> Path:
    fitted, rest = (out.with_name(f"{out.stem}.{each}.jsonl") for each in ("fitted", "rest"))
    parted(scores, n, seed, fitted, rest)
    return fitted


def _source(prevalence: float | None, told: str | None) -> str:
    return OF_LABELS if prevalence is None else told or "stated without a source"


def _version(out: Path, name: str) -> int:
    """One more than any file of that name has, in the folder and in `out`. Raises ConfigurationError where `out` must not be replaced."""
    known = [*SiteFolder(out.parent).versions(name)]
    if out.exists():
        before = read_site_file(out)
        if before.evaluation is not None:
            raise ConfigurationError(f"{out} was promoted, and a version never changes: choose another file")
        known += [before.version] if before.name == name else []
    return max(known, default=0) + 1


def _tell(made: Calibrated, labelled: Labelled, out: Path) -> None:
    terminal, of = console(), made.site.calibration
    print_words(terminal, f"{len(labelled.cases)} labelled pictures, {labelled.malignant} malignant{_passed_over(labelled)}.")
    what = {
        "none": "Scores are probabilities here as they are",
        "intercept": "Scores become probabilities by a new intercept",
        "intercept-and-slope": "Scores become probabilities by intercept and slope",
    }[of.kind]
    print_words(terminal, f"{what}: logistic({of.intercept:.4g} + {of.slope:.4g} * logit(score)).")
    print_words(terminal, f"Flagged from the probability {made.threshold:.4g} on, which is the score {made.score:.4g}. {made.told}")
    share = made.site.prevalence
    print_words(terminal, plain(f"The probabilities assume {share.assumed:.3g} malignant: {share.source}."))
    print_words(terminal, plain(f"{out} is version {made.site.version} of {made.site.name}. It is not in use: `tocsin site promote`."))


def _passed_over(labelled: Labelled) -> str:
    passed = (
        (labelled.not_assessable, "not assessable"),
        (labelled.unlabelled, "without a label"),
        (labelled.other_kinds, "with a clinician's verdict alone"),
    )
    told = ", ".join(f"{count} {what}" for count, what in passed if count)
    return f"; passed over: {told}" if told else ""
