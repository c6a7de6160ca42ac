"""One picture of a folder as a classifier is shown it: the journey's own decoder, the card's tensors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tocsin.image.decode import decode
from tocsin.inference.inputs import image_tensor
from tocsin.inference.known import KnownFacts
from tocsin.inference.ports import Classifier
from tocsin.inference.types import Findings, Tensor
from tocsin.model_card import ModelCard


@dataclass(frozen=True, slots=True)
class Looking:
    """Who is asked about a picture, and how large it may be."""

    classifier: Classifier
    card: ModelCard
    pixels_max: int

    def findings(self, content: bytes, facts: KnownFacts) -> Findings:
        """What the classifier answers. Raises what `tensor` and `asked` raise."""
        return self.asked(self.tensor(content), facts)

    def tensor(self, content: bytes) -> Tensor:
        """The picture as the classifier is shown it; its pixels are let go. Raises what `decode` raises."""
        name = short(hashlib.sha256(content).hexdigest())
        pixels = decode(content, pixels_max=self.pixels_max, reduce_to_px=self.card.reduce_to_px, reference=name)
        return image_tensor(pixels, self.card.image)

    def asked(self, image: Tensor, facts: KnownFacts) -> Findings:
        """What the classifier answers to such a tensor. Raises what `Classifier.classify` raises."""
        return self.classifier.classify(image, facts.facts)


def below(folder: Path, name: str) -> bytes:
    """The bytes of the folder's file of this name. Raises OSError."""
    return (folder / name).read_bytes()


def short(sha256: str) -> str:
    """How a picture is named to people: a file's name may say whose it is."""
    return f"picture {sha256[:12]}"
