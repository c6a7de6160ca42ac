"""tocsin gate: trains an input gate from a site's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tocsin.bootstrap.gate import looking
from tocsin.clock import utc_now
from tocsin.errors import ConfigurationError
from tocsin.fidelity.make import told
from tocsin.learning.gate.pictures import Looked, looked_at
from tocsin.learning.gate.train import trained
from tocsin.settings import read_settings
from tocsin.site.file import fits, read_site_file
from tocsin.site.gate import InputGate
from tocsin.site.parts import SiteFile
from tocsin.site.record import RECORD
from tocsin.site.written import to_yaml, write_whole
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, print_line, progress, say

Right = Annotated[
    Path,
    typer.Option("--dermoscopy", metavar="DIR", exists=True, file_okay=False, help="Folder of pictures of the kind that the model reads."),
]
Wrong = Annotated[
    list[Path],
    typer.Option("--other", metavar="DIR", exists=True, file_okay=False, help="Folder of pictures of another kind; repeat for each kind."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the gate alone, as YAML.")]
Into = Annotated[
    Path | None, typer.Option("--into", metavar="FILE", exists=True, help="Put the gate into this site file, as its next version.")
]
Share = Annotated[float, typer.Option("--false-refusals", min=0.001, max=0.2, help="Share of the right kind that may be refused.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object of the figures as the last line.")]

app = typer.Typer(name="gate", no_args_is_help=True, add_completion=False)


@app.callback()
def _root() -> None:
    """Train, from a site's own pictures, the input gate that refuses another kind of picture than the model reads.

    Close-ups, whole-body photographs and whatever is no picture of skin become not assessable. What the record says of a picture is looked
    at in any case; a gate looks at the picture itself, by what the network makes of it. It is part of a site file, and off without one.
    """


@app.command()
def train(
    dermoscopy: Right, other: Wrong, out: Out = None, into: Into = None, false_refusals: Share = 0.02, as_json: AsJson = False
) -> None:
    """Train a gate on your own pictures, and say what cross-validation shows of it.

    Takes at least 200 lesions of the right kind and 50 of others, taken as your clinics take them: a gate knows no other kind than it was
    shown. A folder's labels.csv, where there is one, says which pictures belong together (columns `file` and `patient_id` or `lesion_id`)
    and the skin tone (`skin_tone`), for which false refusals are then counted apart: read them before you use the gate. Pictures leave
    this machine only for your own Triton, which must serve the version of the network that answers features (`tocsin model build
    --features`); TOCSIN_MODEL__CARD names its card.

    A site file that gets a gate becomes a new version that no evaluation has carried yet: evaluate and promote it as any other.

    Example:

    tocsin gate train --dermoscopy /srv/pictures/dermoscopy --other /srv/pictures/close-ups --into /srv/site.yaml

    Exit codes: 0 written; 2 there is no such folder, or not just one of --out and --into; 75 Triton stayed away; 78 too few pictures, or a
    setting, the card or the site file is wrong.
    """
    quiet_libraries()
    if (out is None) == (into is None):
        raise typer.BadParameter("name a file for the gate, or a site file that gets it", param_hint="--out / --into")
    settings = read_settings()
    with looking(settings) as asked:
        site = None if into is None else _fitting(into, asked.card)
        looked = looked_at(dermoscopy, other, asked, progress())
        gate = trained(looked.seen, asked.card, utc_now(), target=false_refusals)
    _tell(gate, looked)
    if site is not None and into is not None:
        site = site.model_copy(update={"input_gate": gate, "version": site.version + 1, "evaluation": None, "made_at": gate.made_at})
        write_whole(into, to_yaml(site))
        print_line(console(), f"{into}: version {site.version} of {site.name}, not promoted yet")
    elif out is not None:
        write_whole(out, to_yaml(gate))
        print_line(console(), f"{out}: the gate, for `input_gate` of a site file")
    if as_json:
        print(orjson.dumps({"gate": str(out or into), **gate.shown.model_dump(), "left_out": dict(looked.left_out)}).decode())


def _fitting(file: Path, card: Any) -> SiteFile:
    if (file.parent / RECORD).exists():
        raise ConfigurationError(f"{file} lies in a site's folder, where a version never changes: copy it elsewhere, and name the copy")
    site = read_site_file(file)
    if problems := fits(card, site.model_copy(update={"input_gate": None})):
        raise ConfigurationError(f"the site file {file} does not fit the card of {card.model}: {'; '.join(problems)}")
    return site


def _tell(gate: InputGate, looked: Looked) -> None:
    shown, out = gate.shown, console()
    if looked.left_out:
        say(f"left out: {told(looked.left_out)}")
    print_line(out, f"by cross-validation over {shown.lesions} lesions, with exact 95 % intervals:")
    print_line(out, f"  of another kind, refused:  {shown.refusals}")
    for name, kind in shown.kinds.items():
        print_line(out, f"    {name}: {kind}")
    print_line(out, f"  of the right kind, refused all the same:  {shown.false_refusals}")
    for name, tone in shown.skin_tones.items():
        print_line(out, f"    skin tone {name}: {tone}")
