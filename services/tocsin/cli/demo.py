"""tocsin demo: shows the whole journey on the embedded stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.errors import ConfigurationError
from tocsin.telemetry.log import quiet_libraries

Count = Annotated[int | None, typer.Option(min=1, max=1000, help="How many pictures; unless told, 12 drawn ones or all of --images.")]
Images = Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Take the JPEG and PNG pictures below this folder.")]
Modality = Annotated[str, typer.Option(help="DICOM modality code that the pictures of --images are of; DMS is dermoscopy.")]
Stay = Annotated[bool, typer.Option("--stay", help="Keep everything up afterwards, until Ctrl-C.")]
Traces = Annotated[
    bool, typer.Option("--traces", help="Also start Jaeger, have every event traced to it, and keep everything up afterwards, as --stay.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a flag, and a last one with the totals.")]


def demo(
    count: Count = None,
    images: Images = None,
    modality: Modality = "DMS",
    stay: Stay = False,
    traces: Traces = False,
    as_json: AsJson = False,
) -> None:
    """Watch imaging events become risk flags, on real Kafka, a real FHIR server and real Triton.

    The first run fetches about 285 MB into ~/.cache/tocsin; every file is verified by SHA-256 each time it is used. Everything else
    lives in one temporary folder and is gone afterwards. The pictures are drawn unless --images is given: scores on drawn pictures mean
    nothing. Not for clinical use.

    Of a real picture nothing is said but its modality: neither sex nor age nor body site, which move the score. Where you know them, put
    a pictures.csv into the folder, with a line for each picture: file, and any of sex, birth_date or age, body_site (SNOMED CT code).

    With --traces, Jaeger is built once from its Go module (`go` must be on PATH; some minutes), and `tocsin trace` shows each event's way.

    Example: your own pictures, their names beside their flags, everything left up to look at:

    tocsin demo --images ~/lesions --stay

    Exit codes: 0 every event came to its ending; 1 something failed, and the message says what and why.
    """
    quiet_libraries()
    try:
        from tocsin.cli.demo_run import Wish, show  # the embedded stack's packages come with the sandbox extra alone
    except ModuleNotFoundError as missing:
        raise ConfigurationError(f"the demo needs {missing.name}: install tocsin with its sandbox extra, as the README says") from None
    show(Wish(count, images, modality, stay or traces, traces, as_json))
