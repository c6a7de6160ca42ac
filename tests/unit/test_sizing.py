"""What settings leave open follows from the memory limit, and a limit that cannot hold the largest picture ends the start with advice."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from tocsin.bootstrap.fleet import environment
from tocsin.bootstrap.sizing import BASE_BYTES, COMMAND_BYTES, MIB, largest_picture_bytes, part_bytes, sized, sizes, too_large
from tocsin.environment import read
from tocsin.errors import ConfigurationError
from tocsin.image.jpeg import Jpeg
from tocsin.image.png import Png
from tocsin.settings import ImageSettings, Settings
from tocsin.settings.processes import WORKERS_MOST

GIB = 1024 * MIB
SMALL = {
    "TOCSIN_IMAGE__PIXELS_MAX": "20000000",
    "TOCSIN_IMAGE__CONTENT_BYTES_MAX": "8388608",
    "TOCSIN_FHIR__ANSWER_BYTES_MAX": "12582912",
}
"""Pictures of 20 megapixels in 8 MiB, for a process of 512 MiB."""


def given(**variables: str) -> Settings:
    return read(Settings, variables).settings


def needed(settings: Settings) -> int:
    return sizes(settings, None).needed_bytes


def test_without_a_limit_there_is_room_for_the_largest_picture_and_all_workers() -> None:
    found = sized(Settings(), None)
    assert found.consume.workers == WORKERS_MOST
    assert found.image.in_flight_bytes_max == 13 * 50_000_000 + 33_554_432


def test_workers_are_as_many_as_there_is_memory_for() -> None:
    least = sizes(Settings(), None).needed_bytes - (WORKERS_MOST - 1) * sizes(Settings(), None).held_bytes
    held = sizes(Settings(), None).held_bytes
    found = [sized(Settings(), least + more).consume.workers for more in (0, held - 1, held, 3 * held, 100 * held)]
    assert found == [1, 1, 2, 4, WORKERS_MOST]


def test_what_was_derived_never_needs_more_than_the_limit() -> None:
    for mib in range(1100, 4000, 97):
        found = sized(Settings(), mib * MIB)
        assert sizes(found, None).needed_bytes <= mib * MIB


def test_half_a_gibibyte_is_enough_for_pictures_of_20_megapixels() -> None:
    found = sized(given(**SMALL), 512 * MIB)
    assert (found.consume.workers or 0) >= 2
    assert found.image.in_flight_bytes_max == 13 * 20_000_000 + 8_388_608


def test_a_limit_too_small_for_the_largest_picture_is_refused_with_what_would_do() -> None:
    with pytest.raises(ConfigurationError) as refused:
        sized(Settings(), 512 * MIB)
    said = str(refused.value)
    assert all(name in said for name in ("TOCSIN_IMAGE__PIXELS_MAX", "TOCSIN_IMAGE__CONTENT_BYTES_MAX", "TOCSIN_FHIR__ANSWER_BYTES_MAX"))
    pixels = re.search(r"PIXELS_MAX to (\d+)", said)
    mib = re.search(r"needs (\d+) MiB", said)
    assert pixels is not None
    assert mib is not None
    assert sized(given(TOCSIN_IMAGE__PIXELS_MAX=pixels[1]), 512 * MIB).consume.workers == 1
    assert sized(Settings(), int(mib[1]) * MIB).consume.workers == 1
    with pytest.raises(ConfigurationError):
        sized(given(TOCSIN_IMAGE__PIXELS_MAX=str(int(pixels[1]) + 1)), 512 * MIB)


def test_a_limit_too_small_for_anything_names_no_number_of_pixels_that_would_not_do() -> None:
    with pytest.raises(ConfigurationError, match="lower TOCSIN_IMAGE__PIXELS_MAX; lower"):
        sized(Settings(), 200 * MIB)


def test_what_a_site_states_is_left_as_it_is_and_is_told_where_it_does_not_fit() -> None:
    stated = given(TOCSIN_CONSUME__WORKERS="32", TOCSIN_IMAGE__IN_FLIGHT_BYTES_MAX="100000000")
    assert sized(stated, 256 * MIB) == stated
    said = too_large(stated, 256 * MIB)
    assert said is not None
    assert "32 workers" in said
    assert too_large(stated, 100 * GIB) is None
    assert too_large(stated, None) is None
    assert too_large(Settings(), 2 * GIB) is None


def test_stated_memory_for_pictures_leaves_the_rest_to_workers_one_at_least() -> None:
    stated = given(TOCSIN_IMAGE__IN_FLIGHT_BYTES_MAX="100000000")
    assert sized(stated, 64 * MIB).consume.workers == 1
    assert sized(stated, 4 * GIB).consume.workers == WORKERS_MOST


def test_several_processes_share_what_the_command_leaves() -> None:
    assert part_bytes(None, 4) is None
    assert part_bytes(2 * GIB, 1) == 2 * GIB
    assert part_bytes(2 * GIB, 4) == (2 * GIB - COMMAND_BYTES) // 4
    assert part_bytes(MIB, 4) == 0


def test_each_of_several_processes_is_told_the_sizes_of_its_part() -> None:
    settings = sized(given(**SMALL), part_bytes(GIB + COMMAND_BYTES, 2))
    told = environment(settings, 0)
    assert told["TOCSIN_CONSUME__WORKERS"] == str(settings.consume.workers)
    assert told["TOCSIN_IMAGE__IN_FLIGHT_BYTES_MAX"] == str(settings.image.in_flight_bytes_max)


@pytest.mark.parametrize("kind", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_no_jpeg_takes_more_than_the_largest_picture_is_reckoned_with(kind: str, progressive: bool, orientation: int) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.new(kind, (64, 48)).save(buffer, "JPEG", progressive=progressive, exif=exif)
    content = buffer.getvalue()
    largest = largest_picture_bytes(ImageSettings(pixels_max=64 * 48, content_bytes_max=len(content)))
    assert len(content) + Jpeg.opened(content, "Media/m").unfolding_bytes <= largest


def test_no_png_takes_more_than_the_largest_picture_is_reckoned_with() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 100).convert("RGBA").save(buffer, "PNG")
    content = buffer.getvalue()
    largest = largest_picture_bytes(ImageSettings(pixels_max=64 * 48, content_bytes_max=len(content)))
    assert len(content) + Png.opened(content, "Media/m").unfolding_bytes <= largest


def test_the_least_limit_is_base_pictures_and_one_worker() -> None:
    assert needed(Settings()) == BASE_BYTES + 683_554_432 + WORKERS_MOST * 3 * 67_108_864
