"""Composes the model's card as it is used at this site."""

from __future__ import annotations

from functools import lru_cache

from tocsin.errors import ConfigurationError
from tocsin.model_card import ModelCard, read_card
from tocsin.settings import ModelSettings
from tocsin.site.file import SETTING, localised, read_site_file


@lru_cache(maxsize=1)
def card_in_use(settings: ModelSettings) -> ModelCard:
    """The card, by the site file where one is set, as this process read them first.

    A process and the children that it forks judge, watch and tell by one reading, whatever becomes of the files while they run: none is
    half by an old site file and half by a new one. What changed reaches a process at its next start.

    Raises ConfigurationError where either cannot be read, they do not fit, or no evaluation carried the site file into use.
    """
    card = read_card(settings.card)
    if settings.site_file is None:
        return card
    site = read_site_file(settings.site_file)
    if site.evaluation is None:
        raise ConfigurationError(
            f"the site file {settings.site_file} ({site}) was not promoted: no evaluation on later labels carried it. Promote it, or name "
            f"one that was, or unset {SETTING}: the model is then used by its card alone"
        )
    return localised(card, site)
