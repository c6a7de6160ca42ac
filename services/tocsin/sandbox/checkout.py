"""Files of the source tree that the embedded stack is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tocsin.sandbox.errors import SandboxError


@dataclass(frozen=True, slots=True)
class Checkout:
    """The source tree, and the places of its files."""

    root: Path

    @property
    def card(self) -> Path:
        """The file of the reference model's card."""
        return self.model / "card.yaml"

    @property
    def model(self) -> Path:
        """The folder of the reference model's templates for Triton."""
        return self.root / "deploy" / "triton" / "sklesion"

    @property
    def topics(self) -> Path:
        """The folder of the topics' files."""
        return self.root / "schemas" / "topics"


def find_checkout() -> Checkout:
    """The source tree that this package was installed from (`pip install -e .`). Raises SandboxError where there is none."""
    root = Path(__file__).resolve().parents[3]
    checkout = Checkout(root)
    if not checkout.card.is_file() or not checkout.topics.is_dir():
        raise SandboxError(
            "The embedded stack needs Tocsin's source tree: clone it and install it with `pip install -e .`, as the README says."
        )
    return checkout
