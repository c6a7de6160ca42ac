"""tocsin model: writes a Triton model repository, and known answers for `tocsin check --pictures`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from tocsin.errors import ConfigurationError
from tocsin.telemetry.log import quiet_libraries


class Target(StrEnum):
    """What Triton computes on."""

    CPU = "cpu"
    GPU = "gpu"


class Arithmetic(StrEnum):
    """In what a GPU computes."""

    FLOAT32 = "float32"
    TF32 = "tf32"


TargetOption = Annotated[Target, typer.Option("--target", help="What Triton computes on: a CPU, or an NVIDIA GPU.")]
ArithmeticOption = Annotated[
    Arithmetic | None,
    typer.Option("--arithmetic", help="In what a GPU computes: tf32 unless told; float32 is exact, and a third as fast."),
]
FeaturesOption = Annotated[
    bool,
    typer.Option("--features", help="Version 2 of the network: the same answers, and the features that an input gate reads."),
]
Repository = Annotated[Path, typer.Argument(metavar="DIR", help="Folder for Triton's --model-repository; made where it is missing.")]
Pictures = Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folder of JPEG and PNG pictures.")]

app = typer.Typer(name="model", no_args_is_help=True, add_completion=False)


@app.callback()
def _root() -> None:
    """Write what a site's Triton serves, and the answers it must give to the site's own pictures.

    Both need the packages of the model extra (requirements/model.txt), which the running service does not: use any machine of the site,
    and carry the folder over. Not for clinical use without local validation.
    """


@app.command()
def build(folder: Repository, target: TargetOption, arithmetic: ArithmeticOption = None, features: FeaturesOption = False) -> None:
    """Write a Triton model repository of the reference model, which a site can serve as it is.

    DIR/sklesion then holds the network (one ONNX file, the same for every target), config.pbtxt for the target, the model card, and the
    picture whose answer `tocsin check` asks for. It is one version of the network: 1, or with --features 2. The first run fetches the
    network's weights (80 MB) and converts them; what comes out is compared with the SHA-256 on the card. A folder that an earlier build
    wrote is replaced; one that holds anything else, or that somebody changed, is left as it is.

    Example, for a server with NVIDIA GPUs:

    tocsin model build --target gpu /srv/models

    Exit codes: 0 written; 1 not written, and the message says why; 2 the options make no sense; 78 the model extra is not installed.
    """
    quiet_libraries()
    if target is Target.CPU and arithmetic is Arithmetic.TF32:
        raise typer.BadParameter("a CPU has no tf32: leave --arithmetic out", param_hint="--arithmetic")
    default = Arithmetic.TF32 if target is Target.GPU else Arithmetic.FLOAT32
    _tools().build(folder, target.value, (arithmetic or default).value, with_features=features)


@app.command()
def answers(folder: Pictures) -> None:
    """Write DIR/answers.yaml: what the card's network answers to the folder's pictures in float32 on this machine's CPU.

    `tocsin check --pictures DIR` asks a server the same and compares. Take some hundred pictures of your own, of the kind that the model is
    for; they leave this machine only for your own Triton, and nothing is said of their patients. TOCSIN_MODEL__CARD names the card, beside
    which the network lies as `tocsin model build` wrote it. A picture takes about 50 ms on two cores.

    Example:

    TOCSIN_MODEL__CARD=/srv/models/sklesion/card.yaml tocsin model answers /srv/known-pictures

    Exit codes: 0 written; 1 not written, and the message says why; 2 there is no such folder; 78 a setting, the card or the folder's
    pictures are wrong, or the model extra is not installed.
    """
    quiet_libraries()
    _tools().answers(folder)


def _tools() -> ModuleType:
    try:
        from tocsin.cli import model_run  # onnx, onnxruntime and h5py come with the model extra alone
    except ModuleNotFoundError as missing:
        raise ConfigurationError(f"`tocsin model` needs {missing.name}: install the model extra (requirements/model.txt)") from None
    return model_run
