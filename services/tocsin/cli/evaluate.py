"""tocsin evaluate: what the model does on a site's own labelled pictures."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.dead_letter_options import when
from tocsin.cli.language import Language

Images = Annotated[
    Path | None, typer.Option("--images", metavar="DIR", exists=True, file_okay=False, help="Folder below which the pictures lie.")
]
LabelsFile = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="CSV",
        exists=True,
        dir_okay=False,
        help="The list of labels; unless told, labels.csv in that folder.",
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder for scores and report; made where it is missing.")]
Mapping = Annotated[
    Path | None,
    typer.Option("--mapping", metavar="YAML", exists=True, dir_okay=False, help="The list's own names of columns, and its own words."),
]
Modality = Annotated[str, typer.Option("--modality", help="DICOM modality code that the pictures are of; DMS is dermoscopy.")]
FromFhir = Annotated[
    bool,
    typer.Option("--from-fhir", help="Take the FHIR server's pictures of which pathology or a clinician spoke, by the topic of verdicts."),
]
FromBus = Annotated[
    bool, typer.Option("--from-bus", help="Take the scores of Tocsin's own flags, and labels from the topic of verdicts; ask no model.")
]


Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        parser=when,
        help="With --from-bus: flags judged from then on, as 12w ago or an ISO date or time.",
    ),
]
Scores = Annotated[
    Path | None,
    typer.Option("--scores", metavar="FILE", exists=True, dir_okay=False, help="Evaluate this file of scores, and ask no model."),
]
SiteFile = Annotated[
    Path | None,
    typer.Option(
        "--site-file",
        metavar="YAML",
        exists=True,
        dir_okay=False,
        help="Judge by this site file, promoted or not: its input gate, probabilities and threshold; unset: TOCSIN_MODEL__SITE_FILE.",
    ),
]
HowChosen = Annotated[
    str, typer.Option("--chosen", metavar="TEXT", help="How the pictures were chosen, for the report: consecutive, all that were excised.")
]
Target = Annotated[float, typer.Option("--target-sensitivity", min=0.5, max=0.999, help="Sensitivity that is to be shown, 0.5..0.999.")]
Confidence = Annotated[float, typer.Option("--confidence", min=0.6, max=0.999, help="With which confidence, 0.6..0.999.")]
ShowMissed = Annotated[
    bool, typer.Option("--show-missed", help="Show missed cancers as pictures in the HTML: keep it as you keep the pictures.")
]
Tongue = Annotated[Language | None, typer.Option("--language", help="Language of the report; unset: TOCSIN_REPORT__LANGUAGE.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with the main figures, on the last line.")]


def evaluate(
    images: Images = None,
    labels: LabelsFile = None,
    out: Out = Path("evaluation"),
    mapping: Mapping = None,
    modality: Modality = "DMS",
    from_fhir: FromFhir = False,
    from_bus: FromBus = False,
    since: Since = None,
    scores: Scores = None,
    site_file: SiteFile = None,
    chosen: HowChosen = "",
    target: Target = 0.95,
    confidence: Confidence = 0.95,
    show_missed: ShowMissed = False,
    language: Tongue = None,
    as_json: AsJson = False,
) -> None:
    """Show what the model does on your own labelled pictures, before the first flag: a go-live report, and the scores that it rests on.

    Each picture goes the way of a live one up to its judgement, through the gate and Triton; nothing is written to the record or the bus.
    Where a site file is in use, or named, its input gate refuses what it refuses in production, and the file of scores says by which gate
    it was made: another file of scores, or site file, is not mixed with it.
    Where TOCSIN_TRITON__GRPC_URL is unset, the reference model is served by a Triton that starts and ends with this command (with the
    sandbox extra; the first run fetches the weights, 80 MB). Run again after an interruption, the command goes on where it was.

    The list of labels is a CSV file with a header (UTF-8; comma, semicolon or tab) with `file`, relative to the folder of --images or the
    list's own, and `malignant` (1, 0, or empty: not known, which is never benign), and any of age (years), sex, site, skin_tone,
    lesion_id, patient_id, label_kind (pathology, follow-up, verdict, stated), labelled_on (2026-03-01) and weight (one over the chance
    with which this label was sought). Every other column makes groups, but one that says what the lesion turned out to be (dx, diagnosis),
    which is the label in other words, and one whose heading speaks of a person, a name or a number (Pat-Nr, case_id); `groups: [dx]` in
    the mapping makes them all the same. Other names and words go into --mapping:

    {columns: {file: image, malignant: target}, words: {malignant: {melanoma: true, naevus: false}, site: {back: trunk}}}

    With --from-fhir the labels are what pathology and clinicians said, as the topic of verdicts has it; each picture is fetched and its
    identity checked as in production. Pathology's codes are those of the card's classes, and of the mapping's `findings`. A verdict is
    agreement and no truth: the report keeps it apart.

    With --from-bus scores are those that flags told, and neither model nor FHIR server is asked: every picture that was judged by the
    model and site file in use is read, with its label where somebody spoke of it. Flags hold no age, sex or body site, and stay on their
    topic for as long as it keeps them (30 days unless you set more). Each names the site file by which it was judged; of flags from
    before they did, --since says from which day on the present one judged.

    DIR then holds report.html, report.pdf, evaluation.json, scores.jsonl, and refused.csv with the number of each row that was not read,
    and why. Ids of patients and lesions are kept as hashes; names of files are kept as they are.

    Examples: from a folder to its report; the same once more at another target, without the model, in German:

    tocsin evaluate --images /srv/dermoscopy --labels /srv/dermoscopy/labels.csv --out /srv/evaluation

    tocsin evaluate --scores /srv/evaluation/scores.jsonl --target-sensitivity 0.9 --out /srv/evaluation-90 --language de

    Exit codes: 0 evaluated; 1 no assessable picture has a label, or the embedded Triton did not start; 2 the options make no sense; 75
    Triton stayed away (run again to go on); 76 Triton serves another model; 78 a setting, the card, the list, the mapping or the file of
    scores is wrong, or the sandbox extra is not installed where no Triton is named.
    """
    if (images is not None) + from_fhir + from_bus + (scores is not None) != 1:
        raise typer.BadParameter("give one of --images, --from-fhir, --from-bus and --scores", param_hint="--images")
    if since is not None and not from_bus:
        raise typer.BadParameter("goes with --from-bus alone", param_hint="--since")
    if labels is not None and images is None:
        raise typer.BadParameter("a list of labels goes with --images alone", param_hint="--labels")
    if mapping is not None and scores is not None:
        raise typer.BadParameter("--scores needs no mapping: the file holds what was read", param_hint="--mapping")
    if show_missed and images is None:
        raise typer.BadParameter("pictures can be shown with --images alone", param_hint="--show-missed")
    from tocsin.cli.evaluate_run import Wish, run  # scipy and what draws the report take a second to load
    from tocsin.cli.evaluate_score import Bus, Folder, Record

    folder = None if images is None else Folder(images, labels or images / "labels.csv", mapping, modality)
    pictures = Record(mapping) if from_fhir else Bus(mapping, since) if from_bus else folder
    run(Wish(pictures, scores, site_file, out, chosen, target, confidence, as_json, language, show_missed))
