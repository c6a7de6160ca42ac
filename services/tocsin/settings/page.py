"""Settings that say how the review page meets its readers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tocsin.settings.values import Group


class PageSettings(Group):
    """How the review page meets its readers."""

    first_look_roles: tuple[Literal["reader", "lead"], ...] = Field(
        (),
        description="Roles whose readers say what they see before the AI's result is shown to them; it is kept with their verdict.",
        examples=[["reader"]],
    )
