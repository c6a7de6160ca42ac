"""Asks a server about pictures whose answers are known, and makes of it one check of `tocsin check`."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tocsin.errors import ConfigurationError, TocsinError
from tocsin.fidelity.answers import AGAIN, FILE, KnownPicture, KnownPictures
from tocsin.fidelity.compare import Moved, flags_allowed, moved, within
from tocsin.fidelity.look import Looking, below, short
from tocsin.inference.known import KnownFacts
from tocsin.inference.types import Findings, Tensor
from tocsin.model_card import Arithmetic, ModelCard
from tocsin.site.file import site_of
from tocsin.telemetry.preflight import Check, check
from tocsin.terminal import Progress, Step

PART: Final = "triton"
WHAT: Final = "known pictures"
ASKED_AT_ONCE: Final = 8
"""Requests under way together, as many as a consumer has: the server puts them into batches as it does with events."""


def arithmetic_of(card: ModelCard) -> Arithmetic:
    """What the card says of arithmetic. Raises ConfigurationError where it says nothing, since nothing is tolerated then."""
    if card.arithmetic is None:
        raise ConfigurationError(f"the card of {card.model} states no arithmetic.tolerance, which known pictures are held to")
    return card.arithmetic


def pictures_check(known: KnownPictures, folder: Path, looking: Looking, progress: Progress) -> Check:
    """Ask about every picture, and hold the answers to the card's tolerance; flags flip by the bands of the card as it is used.

    Raises ConfigurationError where the card states no tolerance.
    """
    allowed = arithmetic_of(looking.card)
    try:
        answered = answers_of(known, folder, looking, progress)
    except TocsinError as error:
        return check(PART, WHAT, False, str(error), _cannot_ask(error))
    found = moved(known.findings(looking.card), answered, looking.card)
    return check(PART, WHAT, within(found, allowed.tolerance), _told(found, allowed, looking.card), _fix(known, found, allowed))


def answers_of(known: KnownPictures, folder: Path, looking: Looking, progress: Progress) -> list[Findings]:
    """The answers in the order of the pictures. The first that cannot be had ends it: raises what `Looking.findings` raises, and

    ConfigurationError where a picture is not as it was. This thread alone reads and unfolds, one at a time, and has let it go when it
    is asked about: whoever looks has no budget of memory for pictures.
    """
    answers, asked = list[Findings](), deque[Future[Findings]]()
    with (
        progress.step("asking about known pictures", total=len(known.pictures)) as step,
        ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="known-pictures") as threads,
    ):
        for each in known.pictures:
            if len(asked) == ASKED_AT_ONCE:
                answers.append(asked.popleft().result())
            image = looking.tensor(_unchanged(folder, each))
            asked.append(threads.submit(_one, looking, step, image, each.facts))
        return [*answers, *(each.result() for each in asked)]


def _one(looking: Looking, step: Step, image: Tensor, facts: KnownFacts) -> Findings:
    found = looking.asked(image, facts)
    step.advance(1)
    return found


def _unchanged(folder: Path, known: KnownPicture) -> bytes:
    try:
        content = below(folder, known.picture)
    except OSError as error:
        raise ConfigurationError(f"{short(known.picture_sha256)} of {FILE} cannot be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != known.picture_sha256:
        raise ConfigurationError(f"{short(known.picture_sha256)} of {FILE} was changed since its answer was made")
    return content


def _cannot_ask(error: TocsinError) -> str:
    return AGAIN if isinstance(error, ConfigurationError) else "mend what the checks of triton name, then ask again"


def _told(found: Moved, allowed: Arithmetic, card: ModelCard) -> str:
    limits, site = allowed.tolerance, site_of(card)
    bands = "the card's bands" if site is None else f"the bands of the site file {site}"
    return (
        f"{found.count} answered; score moved by {found.score_max:.6f} at most (tolerance {limits.score_max:g}), {found.score_mean:.6f} on "
        f"average ({limits.score_mean:g}); flags flipped: {len(found.flipped)} ({flags_allowed(found.count, limits)}) by {bands}"
    )


def _fix(known: KnownPictures, found: Moved, allowed: Arithmetic) -> str:
    flipped = f"; flipped first: {short(known.pictures[found.flipped[0]].picture_sha256)}" if found.flipped else ""
    return (
        f"Triton does not answer as the card's network does in {' or '.join(allowed.allowed)}: have it serve the network with SHA-256 "
        f"{known.served_sha256[:12]}..., and look in its config.pbtxt for a precision_mode (TensorRT) and at use_tf32 (deploy/gpu.md); do "
        f"not run `tocsin consume` before. Moved most: {short(known.pictures[found.furthest].picture_sha256)}{flipped}"
    )
