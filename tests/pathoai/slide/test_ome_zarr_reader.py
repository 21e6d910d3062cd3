"""OME-Zarr images of both versions: conformance, scales and units, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from pathoai.errors import DamagedSlideError, MissingMppError, NotASlideError
from pathoai.geometry import Mpp, Region, Size
from pathoai.slide.ome_zarr_reader import OmeZarrBackend
from pathoai.slide.open_slide import describe_slide, open_slide
from pathoai.slide.reader import SlideReader
from pathoai.store.slide_store import SlideStore
from pathoai.testing.slide_readers import DamagedSlide, KnownSlide, SlideReaderTests

_RGB = [{"color": "FF0000"}, {"color": "00FF00"}, {"color": "0000FF"}]


def _blocks(height: int, width: int) -> NDArray[np.uint8]:
    """Coloured squares of 8 px, so that two halvings are exact."""
    shape = (height // 8, width // 8, 3)
    small = np.random.default_rng(width).integers(0, 250, shape, dtype=np.uint8)
    return small.repeat(8, axis=0).repeat(8, axis=1)


def _write(
    path: Path,
    levels: Sequence[NDArray[np.uint8]],
    *,
    version: Literal["0.4", "0.5"] = "0.5",
    axes: str = "cyx",
    unit: str | None = "micrometer",
    mpp: float = 0.25,
    **keywords: object,
) -> zarr.Group:
    """An image by the specification; pixels are given as `(height, width, 3)`."""
    kinds = {"t": "time", "c": "channel"}
    about: list[dict[str, Any]] = [{"name": a, "type": kinds.get(a, "space")} for a in axes]
    for axis in about:
        if unit and axis["name"] in "xy":
            axis["unit"] = unit
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for index, pixels in enumerate(levels):
        kept = ["yxc".index(a) for a in axes if a in "yxc"]
        data = pixels.transpose(kept)
        for place, name in enumerate(axes):
            data = np.expand_dims(data, place) if name in "tz" else data
        chunks = tuple(64 if a in "xy" else 1 for a in axes)
        options: dict[str, Any] = {"chunks": chunks, **keywords}
        group.create_array(str(index), data=data, **options)
        factor = levels[0].shape[1] / pixels.shape[1]
        scale = [mpp * factor if a in "xy" else 1.0 for a in axes]
        transforms = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(index), "coordinateTransformations": transforms})
    image = {"axes": about, "datasets": datasets}
    attributes: dict[str, Any] = {"omero": {"channels": _RGB}}
    if version == "0.4":
        group.attrs.put(attributes | {"multiscales": [image | {"version": "0.4"}]})
    else:
        group.attrs.put({"ome": attributes | {"version": "0.5", "multiscales": [image]}})
    return group


def _edit(path: Path, key: str, value: object, *, of_image: bool = True) -> None:
    """Change one entry of the image's multiscales, or of its attributes."""
    about = json.loads((path / "zarr.json").read_text())
    ome = about["attributes"]["ome"]
    (ome["multiscales"][0] if of_image else ome)[key] = value
    (path / "zarr.json").write_text(json.dumps(about))


class TestVersion04(SlideReaderTests):
    """Zarr v2, axes t, c, z, y, x, three levels, as bioformats2raw writes."""

    @pytest.fixture
    def truth(self) -> KnownSlide:
        return KnownSlide(_blocks(160, 240), mpp=0.25)

    @pytest.fixture
    def reader(self, truth: KnownSlide, tmp_path: Path) -> Iterator[SlideReader]:
        levels = [truth.pixels[::step, ::step] for step in (1, 2, 4)]
        _write(tmp_path / "slide.zarr", levels, version="0.4", axes="tczyx")
        with open_slide(tmp_path / "slide.zarr") as reader:
            assert [level.downsample for level in reader.info.levels] == [1.0, 2.0, 4.0]
            yield reader


class TestVersion05(SlideReaderTests):
    """Zarr v3, sharded, with chunks that were never written and one that is damaged."""

    @pytest.fixture
    def truth(self) -> KnownSlide:
        pixels = _blocks(256, 384)
        pixels[128:, 128:256] = 255
        return KnownSlide(pixels, mpp=0.25, unscanned=Region(128, 128, 128, 128))

    @pytest.fixture
    def reader(self, truth: KnownSlide, tmp_path: Path) -> Iterator[SlideReader]:
        # Zarr leaves out chunks that are all fill value, and fills with black by default.
        black = truth.pixels.copy()
        black[128:, 128:256] = 0
        levels = [black, black[::2, ::2]]
        _write(tmp_path / "slide.zarr", levels, shards=(3, 128, 128), fill_value=0)
        with open_slide(tmp_path / "slide.zarr") as reader:
            yield reader

    @pytest.fixture
    def damaged(self, truth: KnownSlide, tmp_path: Path) -> Iterator[DamagedSlide]:
        path = tmp_path / "damaged.zarr"
        _write(path, [truth.pixels])
        (path / "0" / "c" / "1" / "2" / "0").write_bytes(b"no chunk")
        with open_slide(path) as reader:
            yield DamagedSlide(reader, damaged=(10, 130), sound=(100, 140))


class TestStoreOfPathoai(SlideReaderTests):
    """What `pathoai tile` makes is a slide again, at the store's scale."""

    @pytest.fixture
    def truth(self, four_shard_store: Path) -> KnownSlide:
        store = SlideStore(four_shard_store)
        return KnownSlide(store.read(0, 0, 0, store.header.grid.size_px), mpp=store.mpp)

    @pytest.fixture
    def reader(self, four_shard_store: Path) -> Iterator[SlideReader]:
        with open_slide(four_shard_store) as reader:
            yield reader


@pytest.mark.parametrize("axes", ["yxc", "cyx", "tczyx", "czyx", "xyc", "tyxzc"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_axes_may_come_in_any_order(
    axes: str, version: Literal["0.4", "0.5"], tmp_path: Path
) -> None:
    pixels = _blocks(80, 136)
    _write(tmp_path / "slide.zarr", [pixels], version=version, axes=axes)
    with open_slide(tmp_path / "slide.zarr") as reader:
        np.testing.assert_array_equal(reader.read_region(0, 0, 0, Size(136, 80)), pixels)


def test_a_black_pixel_is_black_and_an_absent_one_white(tmp_path: Path) -> None:
    """Also where chunks hold one channel, and a colour leaves two of the three out."""
    pixels = np.zeros((64, 256, 3), np.uint8)
    pixels[:, 64:128, 0] = 9
    pixels[0, 128] = 1
    _write(tmp_path / "slide.zarr", [pixels], fill_value=0)
    with open_slide(tmp_path / "slide.zarr") as reader:
        found = reader.read_region(0, 0, 0, Size(256, 64))
    pixels[:, :64], pixels[:, 192:] = 255, 255
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize(
    ("unit", "value", "mpp"),
    [
        ("micrometer", 0.25, "0.25"),
        ("nanometer", 250.0, "0.25"),
        ("millimeter", 0.00025, "0.25"),
        ("angstrom", 2500.0, "0.25"),
        ("meter", 2.5e-7, "0.25"),
        ("inch", 1e-5, "0.254"),
        ("parsec", 0.25, None),
        (None, 0.25, None),
    ],
)
def test_the_scale_is_stated_in_micrometres_or_not_at_all(
    unit: str | None, value: float, mpp: str | None, tmp_path: Path
) -> None:
    _write(tmp_path / "slide.zarr", [_blocks(64, 64)], unit=unit, mpp=value)
    assert describe_slide(tmp_path / "slide.zarr").stated_mpp == (mpp, mpp)
    if mpp is None:
        with pytest.raises(MissingMppError, match="--mpp"):
            open_slide(tmp_path / "slide.zarr")


def test_a_scale_of_the_whole_image_multiplies_that_of_its_levels(tmp_path: Path) -> None:
    path = tmp_path / "slide.zarr"
    _write(path, [_blocks(64, 64)], mpp=1.0)
    _edit(path, "coordinateTransformations", [{"type": "scale", "scale": [1.0, 0.25, 0.26]}])
    assert describe_slide(path).stated_mpp == ("0.26", "0.25")


def test_sizes_that_do_not_divide_keep_the_exact_downsample(tmp_path: Path) -> None:
    """Where the scales agree with the sizes, they are believed: sizes are rounded."""
    path, pixels = tmp_path / "slide.zarr", _blocks(104, 200)[:101, :199]
    _write(path, [pixels, pixels[::2, ::2]])
    datasets = [
        {
            "path": str(i),
            "coordinateTransformations": [{"type": "scale", "scale": [1, s, s]}],
        }
        for i, s in enumerate((0.25, 0.5))
    ]
    _edit(path, "datasets", datasets)
    assert describe_slide(path).levels[1].downsample == 2.0


def test_the_first_image_of_a_bioformats2raw_folder_is_the_slide(tmp_path: Path) -> None:
    path, pixels = tmp_path / "slide.zarr", _blocks(64, 128)
    zarr.open_group(str(path), mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    _write(path / "0", [pixels], version="0.4", axes="tczyx")
    _write(path / "1", [_blocks(8, 8)], version="0.4", axes="tczyx")
    with open_slide(path) as reader:
        np.testing.assert_array_equal(reader.read_region(0, 0, 0, Size(128, 64)), pixels)


def test_what_is_no_ome_zarr_is_left_to_others(tmp_path: Path) -> None:
    zarr.open_group(str(tmp_path / "group"), mode="w")
    zarr.create_array(str(tmp_path / "array"), shape=(3, 4, 4), dtype="u1")
    (tmp_path / "file").touch()
    for name in (".", "group", "array", "file", "absent"):
        with pytest.raises(NotASlideError):
            OmeZarrBackend().describe(tmp_path / name)


def _write_unfit(kind: str, path: Path) -> None:
    pixels = _blocks(64, 64)
    if kind == "channels are not red":
        _write(path, [pixels])
        _edit(path, "omero", {"channels": [{"color": "00FFFF"}] * 3}, of_image=False)
    elif kind == "not 8-bit":
        _write(path, [pixels.astype(np.uint16)])
    elif kind == "three channels":
        _write(path, [pixels[..., :2]])
    elif kind == "not known":
        _write(path, [pixels])
        _edit(path, "version", "0.9", of_image=False)
    elif kind == "another area":
        _write(path, [pixels, pixels[::2, ::8]])
    elif kind == "grow coarser":
        _write(path, [pixels, pixels])
    elif kind == "too large to decode":
        group = _write(path, [pixels])
        del group["0"]
        side = 2**20
        group.create_array("0", shape=(3, side, side), chunks=(3, side, side), dtype="u1")
    elif kind == "no level":
        _write(path, [pixels])
        _edit(path, "datasets", [])


@pytest.mark.parametrize(
    "kind",
    [
        "channels are not red",
        "not 8-bit",
        "three channels",
        "not known",
        "another area",
        "grow coarser",
        "too large to decode",
        "no level",
    ],
)
def test_an_image_that_is_no_slide_is_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    _write_unfit(kind, tmp_path / "image.zarr")
    with pytest.raises(DamagedSlideError, match=rf"{kind}.*Remedy: convert"):
        describe_slide(tmp_path / "image.zarr")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("axes", None),
        ("axes", [{}]),
        ("axes", "cyx"),
        ("datasets", 5),
        ("datasets", [{"path": "../../etc"}]),
        ("datasets", [{"path": "absent"}]),
        ("datasets", [{"path": "0", "coordinateTransformations": [{"type": "scale"}]}]),
        ("coordinateTransformations", 7),
    ],
)
def test_malformed_metadata_give_our_error(key: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "DUPONT.zarr"
    _write(path, [_blocks(64, 64)])
    _edit(path, key, value)
    with pytest.raises(DamagedSlideError, match=r"CODE.*Remedy") as raised:
        open_slide(path, slide_id="CODE")
    assert "DUPONT" not in str(raised.value)


def test_a_store_that_was_interrupted_is_refused(tiled_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    shutil.copytree(tiled_store, path)
    about = json.loads((path / "zarr.json").read_text())
    about["attributes"]["pathoai"]["complete"] = False
    (path / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(DamagedSlideError, match=r"not complete.*pathoai tile"):
        describe_slide(path)


def test_the_slides_icc_profile_is_found_in_a_store(tiled_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    shutil.copytree(tiled_store, path)
    profile = bytes(range(200))
    group = zarr.open_group(str(path), mode="r+")
    if "icc_profile" in group:
        del group["icc_profile"]
    group.create_array("icc_profile", data=np.frombuffer(profile, np.uint8))
    with open_slide(path, mpp=Mpp.square(0.5)) as reader:
        assert reader.info.icc_profile == profile
