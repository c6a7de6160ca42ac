"""The two versions of the reference network that Tocsin converts: the same weights and answers, the second with features besides.

Version 1 is what deploy/triton/sklesion describes. What its files say otherwise of version 2 stands here, so that the card is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tocsin.sandbox.model.errors import ModelUnusable

PLAIN_SHA256: Final = "2bc646ce2dcdf604fadaa6709c2760a5197310e6006e0779bc0da1ed0c8b415d"
FEATURES_SHA256: Final = "28179fe7102bbd22c839c8d57e5585531ab17eb68271e35a095d39810e99af44"
"""SHA-256 of version 2's ONNX file, as `served_sha256` is version 1's in the card."""
FEATURES_LENGTH: Final = 2048
_ANSWER: Final = "output:\n  name: probabilities\n"


@dataclass(frozen=True, slots=True)
class Edition:
    """A version of the network in Triton."""

    version: str
    with_features: bool
    changes: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """A template's name -> what stands in it once, and what stands there in this version."""

    def of(self, name: str, text: str) -> str:
        """The template's text in this version. Raises ModelUnusable where the template is not the one that was meant."""
        for old, new in dict(self.changes).get(name, ()):
            if text.count(old) != 1:
                raise ModelUnusable(f"{name} does not hold {old!r} once: it is not the model's template")
            text = text.replace(old, new)
        return text


PLAIN: Final = Edition("1", with_features=False)
FEATURES: Final = Edition(
    "2",
    with_features=True,
    changes=(
        (
            "card.yaml",
            (
                ('\nversion: "1"\n', '\nversion: "2"\n'),
                (PLAIN_SHA256, FEATURES_SHA256),
                (_ANSWER, f"{_ANSWER}  features: {{name: features, length: {FEATURES_LENGTH}}}\n"),
            ),
        ),
        ("known-answer.yaml", (("\nmodel: sklesion/1\n", "\nmodel: sklesion/2\n"), (PLAIN_SHA256, FEATURES_SHA256))),
    ),
)
"""For a site that has an input gate, or means to train one."""
