"""The rule by which a site file may judge patients' pictures: only where an evaluation on later labels carried it."""

from __future__ import annotations

from tocsin.errors import ConfigurationError
from tocsin.site.parts import SiteFile


def require_promoted(site: SiteFile) -> None:
    """Pass a site file that was promoted. Raises ConfigurationError for every other: what was fitted was not shown to hold."""
    if site.evaluation is None:
        raise ConfigurationError(
            f"the site file {site.name}, version {site.version}, was not promoted: hold it against later labels with `tocsin site promote`"
        )
