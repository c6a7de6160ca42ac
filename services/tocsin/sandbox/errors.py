"""Errors that keep the embedded stack from running; each message says what a person can do."""

from __future__ import annotations

from tocsin.errors import Stop


class SandboxError(Stop):
    """The embedded stack could not be set up; nothing of it was left running."""


class ArtifactUnavailable(SandboxError):
    """A part of the embedded stack could not be fetched."""


class ArtifactDamaged(SandboxError):
    """A fetched file is not the one that the lock names; it was not used."""


class PartDidNotStart(SandboxError):
    """A part of the embedded stack did not become ready."""


class Interrupted(SandboxError):
    """The stack was told to end before it was ready."""
