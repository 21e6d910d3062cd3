"""Pools whose threads do not split torch's operations, and callers who still do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.preprocess.slide_normalisation import SlideNormalisation
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.stain.reference import reference_profile
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.preprocess.torch_threads import undivided, undivided_threads
from pathoai.slide.open_slide import open_slide
from pathoai.testing.generated_slide import SlideTruth
from pathoai.tiling.spec import TileSpec

Pixels = NDArray[np.uint8]


@pytest.fixture
def three_threads() -> Iterator[None]:
    """A setting that is nobody's default."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def _in_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


@pytest.mark.usefixtures("three_threads")
def test_threads_compute_alone_and_the_caller_keeps_his_setting() -> None:
    with undivided_threads(4) as pool:
        assert set(pool.map(lambda _: torch.get_num_threads(), range(16))) == {1}
        assert torch.get_num_threads() == 3
    assert (torch.get_num_threads(), _in_a_new_thread()) == (3, 3)
    with pytest.raises(ZeroDivisionError), undivided_threads(1) as pool:
        pool.submit(lambda: 1 // 0).result()
    assert (torch.get_num_threads(), _in_a_new_thread()) == (3, 3)


@pytest.mark.usefixtures("three_threads")
def test_normalised_pixels_are_the_same_in_any_number_of_threads(
    generated: tuple[Path, SlideTruth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The colours of a chunk do not tell how many threads computed them."""
    seen: list[tuple[int, SlideNormalisation, Pixels, Pixels]] = []
    pixels = SlideNormalisation.pixels

    def watched(self: SlideNormalisation, chunk: Pixels) -> Pixels:
        found = pixels(self, chunk)
        seen.append((torch.get_num_threads(), self, chunk, found))
        return found

    monkeypatch.setattr(SlideNormalisation, "pixels", watched)
    source = SlideSource(lambda: open_slide(generated[0], slide_id="A"), generated[0])
    profile = reference_profile("macenko").to_dict()
    settings = TilingSettings(TileSpec(128, 0.5), mpp=0.5, normalisation=profile, device="cpu")
    stores = [
        tile_slide(source, tmp_path / f"{n}.zarr", replace(settings, workers=n)) for n in (1, 4)
    ]
    assert {threads for threads, *_ in seen} == {1}
    assert torch.get_num_threads() == 3
    for _, change, chunk, found in seen[:4]:
        np.testing.assert_array_equal(pixels(change, chunk), found)
    shards = [
        {p.relative_to(s.path): p.read_bytes() for p in s.path.rglob("c/*/*/*") if p.is_file()}
        for s in stores
    ]
    assert shards[0]
    assert shards[0] == shards[1]


@pytest.mark.usefixtures("three_threads")
def test_pools_of_several_threads_leave_everything_as_it_was() -> None:
    """The first to come is not the last to go."""
    first, second = undivided_threads(1), undivided_threads(1)
    first.__enter__().submit(torch.get_num_threads).result()
    with ThreadPoolExecutor(1) as other:  # a thread that begins while new ones compute alone
        other.submit(second.__enter__).result()
        first.__exit__(None, None, None)
        assert _in_a_new_thread() == 1
        other.submit(second.__exit__, None, None, None).result()
    assert (torch.get_num_threads(), _in_a_new_thread()) == (3, 3)


@pytest.mark.usefixtures("three_threads")
def test_a_thread_that_computes_alone_for_a_while() -> None:
    with undivided():
        assert torch.get_num_threads() == 1
        with undivided_threads(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 1
    assert (torch.get_num_threads(), _in_a_new_thread()) == (3, 3)
