"""Does what `tocsin model` asks for. Imports what only the model extra installs."""

from __future__ import annotations

import os
import shlex
import threading
from pathlib import Path

from tocsin.errors import ConfigurationError
from tocsin.fidelity.answers import FILE, is_ours, written
from tocsin.fidelity.check import arithmetic_of
from tocsin.fidelity.look import Looking
from tocsin.fidelity.make import answers_to, told
from tocsin.model_card import ModelCard, read_card
from tocsin.packaged import REFERENCE_MODEL, packaged
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.model.cpu import ASKED, CpuClassifier
from tocsin.sandbox.model.edition import FEATURES, PLAIN
from tocsin.sandbox.model.errors import FolderTaken, ModelUnusable
from tocsin.sandbox.model.repository import Arithmetic, Plan, Target, lay_out, vacant
from tocsin.sandbox.reference import reference_card, reference_network
from tocsin.settings import read_settings
from tocsin.terminal import console, print_line, say, terminal


def build(folder: Path, target: Target, arithmetic: Arithmetic, *, with_features: bool) -> None:
    """Write the repository, and tell how it is served. Raises Stop."""
    source, edition = packaged(REFERENCE_MODEL), FEATURES if with_features else PLAIN
    card = reference_card(edition)
    _need_allowed(card, arithmetic)
    vacant(folder)  # before anything is fetched
    network = _network(card)
    made = lay_out(network, source, folder, Plan(target, arithmetic, edition)).resolve()
    out = console()
    print_line(out, f"{made}: {card.title}, version {card.version}, for Triton on a {target.upper()}, computed in {arithmetic}")
    print_line(out, f"  serve it:     tritonserver --model-repository={shlex.quote(str(made.parent))}")
    print_line(out, f"  tell Tocsin:  export TOCSIN_MODEL__CARD={shlex.quote(str(made / 'card.yaml'))}")
    print_line(out, "  look:         tocsin check")


def answers(folder: Path) -> None:
    """Write the folder's answers.yaml. Raises Stop."""
    settings = read_settings()
    card, file = read_card(settings.model.card), folder / FILE
    if file.exists() and not is_ours(file):
        raise FolderTaken(f"{file} holds no known answers: it was not overwritten; move it away")
    classifier = CpuClassifier(settings.model.card.parent / card.version / "model.onnx", card)
    made = answers_to(folder, Looking(classifier, card, settings.image.pixels_max), ASKED, terminal())
    _replace(file, written(made.known))
    if made.left_out:
        say(f"left out: {told(made.left_out)}")
    print_line(console(), f"{file.resolve()}: {len(made.known.pictures)} pictures, answers of {card.model} in {ASKED}")


def _need_allowed(card: ModelCard, arithmetic: Arithmetic) -> None:
    allowed = arithmetic_of(card).allowed
    if arithmetic not in allowed:
        raise ConfigurationError(f"the card of {card.model} does not allow {arithmetic}, but {' and '.join(allowed)}")


def _network(card: ModelCard) -> bytes:
    """The card's network, which the cache keeps. Raises as `reference_network` does, ModelUnusable also where the cache cannot be used."""
    cache = cache_folder(os.environ)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return reference_network(card, cache, terminal(), threading.Event())
    except OSError as error:
        raise ModelUnusable(
            f"the network cannot be fetched into {cache} and converted there ({error.strerror}): see that it can be written and has room, "
            "or set XDG_CACHE_HOME"
        ) from None


def _replace(file: Path, text: str) -> None:
    """Write the file whole or not at all. Raises ModelUnusable where it cannot be written."""
    incoming = file.with_name(f".{file.name}.incoming")
    try:
        incoming.write_text(text, "utf-8")
        incoming.replace(file)
    except OSError as error:
        raise ModelUnusable(f"{file} cannot be written ({error.strerror})") from None
