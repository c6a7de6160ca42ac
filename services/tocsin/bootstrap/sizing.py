"""Derives from a memory limit what the settings leave open: the memory for pictures, and the number of workers.

    limit >= BASE + pictures + workers * held

- `pictures`, the memory in which pictures are decoded: what the largest picture takes that the settings allow, the larger of
  13 bytes for each of image.pixels_max and image.content_bytes_max (a progressive JPEG of four colours), and
  8 bytes for each of image.pixels_max and image.content_bytes_max twice (a PNG).
- `held`, what a worker may hold besides while it fetches: the larger of three times fhir.answer_bytes_max (an answer as it comes and as
  one piece, then its text) and six times image.content_bytes_max (a picture within JSON, in base64, which is a third longer: as it
  comes, as text, without its line ends, as bytes, and decoded).
- workers: as many as there is memory for, 1 at least and WORKERS_MOST at most; without a limit, WORKERS_MOST.

Of several processes of one command each has an equal part of the limit, after what the command itself takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tocsin.errors import ConfigurationError
from tocsin.settings import ImageSettings, Settings
from tocsin.settings.processes import WORKERS_MOST

MIB: Final = 1_048_576
BASE_BYTES: Final = 160 * MIB
"""What `tocsin consume` takes besides pictures and answers, by measurement."""
COMMAND_BYTES: Final = 48 * MIB
"""What `tocsin consume --processes` takes itself."""
JPEG_PIXEL_BYTES: Final = 13
PNG_PIXEL_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Sizes:
    """How the memory of one process is spent."""

    pictures_bytes: int
    held_bytes: int
    """What each worker may hold besides."""
    workers: int

    @property
    def needed_bytes(self) -> int:
        """The least memory limit of a process of these sizes."""
        return BASE_BYTES + self.pictures_bytes + self.workers * self.held_bytes


def largest_picture_bytes(image: ImageSettings) -> int:
    """Memory that the largest picture takes that the settings allow, its attachment included."""
    pixels, content = image.pixels_max, image.content_bytes_max
    return max(JPEG_PIXEL_BYTES * pixels + content, PNG_PIXEL_BYTES * pixels + 2 * content)


def sizes(settings: Settings, limit_bytes: int | None) -> Sizes:
    """The sizes of one process under this limit (None: without one); what the settings state is left as it is.

    Raises ConfigurationError where the memory for pictures is not stated, and the limit is too small for the largest picture.
    """
    pictures = settings.image.in_flight_bytes_max or largest_picture_bytes(settings.image)
    held = max(3 * settings.fhir.answer_bytes_max, 6 * settings.image.content_bytes_max)
    least = Sizes(pictures, held, 1)
    if limit_bytes is not None and settings.image.in_flight_bytes_max is None and limit_bytes < least.needed_bytes:
        raise ConfigurationError(_too_small(settings, limit_bytes, least))
    workers = settings.consume.workers_running if limit_bytes is None else settings.consume.workers or _workers(least, limit_bytes)
    return Sizes(pictures, held, workers)


def _workers(least: Sizes, limit_bytes: int) -> int:
    fitting = 1 + (limit_bytes - least.needed_bytes) // least.held_bytes
    return max(1, min(WORKERS_MOST, fitting))


def part_bytes(limit_bytes: int | None, processes: int) -> int | None:
    """The limit for each of so many processes of one command; None where there is no limit."""
    if limit_bytes is None or processes == 1:
        return limit_bytes
    return max(0, limit_bytes - COMMAND_BYTES) // processes


def sized(settings: Settings, limit_bytes: int | None) -> Settings:
    """The settings with what they left open filled in. Raises as `sizes` does."""
    found = sizes(settings, limit_bytes)
    image = settings.image.model_copy(update={"in_flight_bytes_max": found.pictures_bytes})
    consume = settings.consume.model_copy(update={"workers": found.workers})
    return settings.model_copy(update={"image": image, "consume": consume})


def too_large(settings: Settings, limit_bytes: int | None) -> str | None:
    """A sentence where what the settings state needs more memory than the limit allows; None where it fits."""
    found = sizes(settings, limit_bytes)
    if limit_bytes is None or found.needed_bytes <= limit_bytes:
        return None
    return f"{_mib(found.pictures_bytes)} for pictures and {found.workers} workers need {_mib(found.needed_bytes)}, {_allowed(limit_bytes)}"


def _too_small(settings: Settings, limit_bytes: int, least: Sizes) -> str:
    content, room = settings.image.content_bytes_max, limit_bytes - BASE_BYTES - least.held_bytes
    pixels = min((room - content) // JPEG_PIXEL_BYTES, (room - 2 * content) // PNG_PIXEL_BYTES)
    fewer = f"TOCSIN_IMAGE__PIXELS_MAX to {pixels} or less" if pixels > 0 else "TOCSIN_IMAGE__PIXELS_MAX"
    lower = "set" if pixels > 0 else "lower"
    return (
        f"settings: the largest picture that they allow ({settings.image.pixels_max} pixels in {content} bytes) needs "
        f"{_mib(least.needed_bytes)}, {_allowed(limit_bytes)}: give each process at least as much, or {lower} {fewer}; lower "
        "TOCSIN_IMAGE__CONTENT_BYTES_MAX and TOCSIN_FHIR__ANSWER_BYTES_MAX leave more room for pixels"
    )


def _allowed(limit_bytes: int) -> str:
    return f"and the memory limit leaves a process {limit_bytes // MIB} MiB"


def _mib(size: int) -> str:
    return f"{-(-size // MIB)} MiB"
