"""What napari opens through this plugin: a store, a study folder, a raw slide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_pathoai.opening.window_message import Paths, Reader, shows_errors
from pathoai.errors import StudyError

if TYPE_CHECKING:
    from napari_pathoai.picture.layers import LayerData

_STUDY_SHEET = "study.toml"
_SLIDES_ALONE = frozenset({".svs", ".ndpi", ".mrxs", ".scn", ".bif"})
"""Of nothing but slides: what is wrong with such a file is said, not left to other readers."""


def store_reader(path: Paths) -> Reader | None:
    """A reader for a store folder; None for anything else."""
    first = _first(path)
    is_store = first.suffix == ".zarr" and (first / "zarr.json").is_file()
    return _read_stores if is_store else None


def study_reader(path: Paths) -> Reader | None:
    """A reader for a study, by its folder or its sheet; None for anything else."""
    return _read_study if (_study_folder(path) / _STUDY_SHEET).is_file() else None


def slide_reader(path: Paths) -> Reader | None:
    """A reader for the file or folder of a raw slide; None for anything else.

    A picture that is no slide, or states no scale, is left to napari's other readers.
    """
    from pathoai.errors import DamagedSlideError, PathoaiError
    from pathoai.slide.open_slide import describe_slide

    first = _first(path)
    if first.suffix.lower() in _SLIDES_ALONE:
        return _read_slides if first.exists() else None
    try:
        described = describe_slide(first)
    except DamagedSlideError:
        return _read_slides
    except PathoaiError:
        return None
    return None if None in described.stated_mpp else _read_slides


def _first(path: Paths) -> Path:
    return Path(path) if isinstance(path, str) else Path(path[0])


def _study_folder(path: Paths) -> Path:
    first = _first(path)
    return first.parent if first.name == _STUDY_SHEET else first


def _all(path: Paths) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(one) for one in path]


@shows_errors
def _read_stores(path: str | Sequence[str]) -> list[LayerData]:
    return _layers_of_stores(_all(path))


@shows_errors
def _read_study(path: str | Sequence[str]) -> list[LayerData]:
    """The layers of the study's first tiled slide; the Review widget shows the others."""
    from napari_pathoai.what_to_read import tiled_slides
    from pathoai.study.study import Study

    study = Study(_study_folder(path))
    slides = tiled_slides(study)
    if not slides:
        raise StudyError(
            "no slide of the study is tiled yet",
            where=study.path.name,
            remedy="run `pathoai tile STUDY`",
        )
    return _layers_of_stores([study.store_path(slides[0])])


@shows_errors
def _read_slides(path: str | Sequence[str]) -> list[LayerData]:
    from napari_pathoai.opening.closing_slides import close_with_layer
    from napari_pathoai.picture.layers import slide_layers
    from pathoai.slide.open_slide import open_slide

    layers: list[LayerData] = []
    for one in _all(path):
        (layer,) = slide_layers(open_slide(one), name=one.stem)
        close_with_layer(layer[0])
        layers.append(layer)
    return layers


def _layers_of_stores(paths: Sequence[Path]) -> list[LayerData]:
    from napari_pathoai.picture.layers import store_layers
    from pathoai.store.slide_store import SlideStore

    return [layer for one in paths for layer in store_layers(SlideStore(one))]
