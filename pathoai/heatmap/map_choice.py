"""Which map of a slide a figure shows, and in which way."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from pathoai.errors import InvalidValueError
from pathoai.heatmap.label_layers import (
    attention_map_layer,
    class_layer,
    probability_layer,
    uncertainty_layer,
)
from pathoai.heatmap.layer import Layer, Scene
from pathoai.heatmap.map_source import check_source
from pathoai.heatmap.object_layers import attention_layer, density_layer, outline_layer
from pathoai.quality.artefacts import LABEL as ARTEFACT_LABEL
from pathoai.store.slide_store import TISSUE, SlideStore
from pathoai.study.study import Study

CLASSES, PROBABILITY, OUTLINES, DENSITY = "classes", "probability", "outlines", "density"
ENTROPY, MUTUAL_INFORMATION, ATTENTION = "entropy", "mutual_information", "attention"
WAYS = (CLASSES, PROBABILITY, ENTROPY, MUTUAL_INFORMATION, OUTLINES, DENSITY, ATTENTION)

GRADE = "grade/"
_PREDICTION = "prediction/"


@dataclass(frozen=True, slots=True)
class MapChoice:
    """A map and the way to show it.

    Args:
        name: A label of the store, or ``grade/<model>``.
        way: One of `WAYS`; None for what suits the map and the class.
        class_key: The class whose probability is shown, or the only one shown.
    """

    name: str
    way: str | None = None
    class_key: str | None = None

    def __post_init__(self) -> None:
        """Refuse unknown ways, and what the map can never show."""
        ways = (ATTENTION,) if self.is_grade else WAYS
        if self.way is not None and self.way not in ways:
            raise InvalidValueError(
                "the map cannot be shown in that way",
                where=f"--show, map {self.name}",
                found=self.way,
                allowed=", ".join(ways),
            )
        if self.class_key is not None and (
            self.is_grade or self.way in (ENTROPY, MUTUAL_INFORMATION, ATTENTION)
        ):
            raise InvalidValueError(
                "attention and uncertainty are not of one class",
                where="--class",
                found=self.class_key,
                remedy="leave --class out",
            )
        if self.way == PROBABILITY and self.class_key is None:
            raise InvalidValueError(
                "the probability of which class?", where="--show", remedy="say --class KEY"
            )

    @property
    def is_grade(self) -> bool:
        """True for what weighed in the grade of a slide."""
        return self.name.startswith(GRADE)

    def resolved_way(self, store: SlideStore) -> str:
        """The way that was asked for, or what suits."""
        if self.way is not None:
            return self.way
        if self.is_grade:
            return ATTENTION
        channels = store.label(self.name).probability_channels
        if ATTENTION in channels and self.class_key is None:
            return ATTENTION
        return PROBABILITY if self.class_key in channels else CLASSES

    def layer(self, scene: Scene, objects: Path) -> Layer:
        """The map, ready to be drawn.

        Args:
            scene: Of the figure.
            objects: Where the table of the map's objects lies or would lie.

        Raises:
            InvalidValueError: The map has no such class or plane.
            StoreError: It is not complete, or its objects are not of it.
        """
        way, key = self.resolved_way(scene.store), self.class_key
        if self.is_grade:
            return attention_layer(scene, objects, self.name.removeprefix(GRADE))
        label = scene.store.label(self.name)
        check_source(scene.store, self.name, label.about)
        if way == ATTENTION:
            return attention_map_layer(scene, label)
        if way == PROBABILITY:
            assert key is not None
            return probability_layer(scene, label, key)
        if way in (ENTROPY, MUTUAL_INFORMATION):
            return uncertainty_layer(scene, label, way)
        if way == CLASSES:
            return class_layer(scene, label, key)
        of_objects = density_layer if way == DENSITY else outline_layer
        return of_objects(scene, label, objects, key)


def map_names(study: Study, store: SlideStore) -> tuple[str, ...]:
    """All maps of a slide: the labels of its store, and grades with the tiles they rest on."""
    folder = study.objects_path(store.slide_id, TISSUE).parent
    grades = (f"{GRADE}{p.stem.removeprefix('grade.')}" for p in folder.glob("grade.*.parquet"))
    return (*store.labels, *sorted(grades))


def _tiles_of_maps(names: tuple[str, ...]) -> set[str]:
    """Grades whose attention is a map of its own: their few tiles are not what is asked for."""
    return {n for n in names if f"{_PREDICTION}{n.removeprefix(GRADE)}" in names}


def chosen_map(study: Study, store: SlideStore, name: str | None) -> str:
    """The map of that name; without one, the only one beside tissue and artefacts.

    Raises:
        InvalidValueError: There is none of that name, or several to choose from; all are listed.
    """
    names = map_names(study, store)
    if name is None:
        likely = [n for n in names if n not in (TISSUE, ARTEFACT_LABEL, *_tiles_of_maps(names))]
        if len(likely) == 1:
            return likely[0]
        raise InvalidValueError(
            "which map? the slide has several" if likely else "the slide has no prediction yet",
            where=store.slide_id,
            allowed=", ".join(names),
            remedy="choose one with --map" + ("" if likely else ", or run `pathoai predict` first"),
        )
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise InvalidValueError(
            "the slide has no such finished map",
            where=f"--map, {store.slide_id}",
            found=repr(name),
            allowed=", ".join(names),
            remedy=f"did you mean {near[0]!r}?" if near else None,
        )
    return name
