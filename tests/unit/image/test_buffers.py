"""Memory that serves one picture after the other never lets one picture show in another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tocsin.image.buffers import Buffers
from tocsin.image.decode import Decoder, decode
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import Picture, Pixels

from tests.builders import picture
from tests.support.pictures import encoded, textured


def shown(seed: int) -> Picture:
    return replace(picture(), content=encoded(textured(64 + 8 * (seed % 5), 80, seed=seed)))


def alone(of: Picture) -> Pixels:
    return decode(of.content, pixels_max=1_000_000, reduce_to_px=None, reference=of.media)


def decoder() -> Decoder:
    return Decoder(Allowance(100_000_000, 10), pixels_max=1_000_000, reduce_to_px=None)


def kept(pixels: Pixels) -> Pixels:
    return pixels


def test_memory_serves_again_once_nobody_holds_it() -> None:
    buffers = Buffers()
    lent = buffers.lend(1000)
    lent[:] = 7
    assert buffers.kept_bytes == 0
    del lent
    assert buffers.kept_bytes == 1000
    assert (buffers.lend(900) == 7).all()


@pytest.mark.parametrize("look", [lambda whole: whole[10:20], memoryview, lambda whole: whole.view(np.uint16)[::3].reshape(-1, 1)])
def test_memory_is_not_lent_again_while_anybody_looks_into_it(look: object) -> None:
    assert callable(look)
    buffers = Buffers()
    seen = look(buffers.lend(1000))
    assert buffers.kept_bytes == 0
    del seen
    assert buffers.kept_bytes == 1000


def test_a_picture_that_somebody_still_holds_is_never_written_over() -> None:
    shared = decoder()
    held = [(shared.unfolded(shown(seed), kept), seed) for seed in range(8)]
    slices = [shared.unfolded(shown(seed), lambda pixels: pixels[5:9, ::2]) for seed in range(8)]
    for pixels, seed in held:
        assert np.array_equal(pixels, alone(shown(seed)))
        assert np.array_equal(slices[seed], alone(shown(seed))[5:9, ::2])


def test_pictures_of_many_threads_each_show_themselves() -> None:
    shared, seeds = decoder(), [seed % 13 for seed in range(200)]
    expected = {seed: alone(shown(seed)) for seed in set(seeds)}
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda seed: shared.unfolded(shown(seed), lambda pixels: np.array_equal(pixels, expected[seed])), seeds))


def test_a_larger_picture_takes_the_place_of_a_buffer_that_is_too_small() -> None:
    buffers = Buffers()
    for size in (1000, 5000, 3000):
        buffers.lend(size)
    assert buffers.kept_bytes == 5000


def test_what_a_huge_picture_took_is_given_back() -> None:
    buffers = Buffers(kept_bytes_max=1000)
    buffers.lend(1001)
    assert buffers.kept_bytes == 0
