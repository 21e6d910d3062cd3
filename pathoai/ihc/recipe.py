"""Marker recipes: how the positive area of an antibody becomes labels; YAML files, one a marker.

Those of ``pathoai/ihc/recipes`` ship with pathoai; a laboratory's own is a file of the same form.
Optical densities are natural logarithms, as everywhere here: 2.303 times the decadic ones.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml

from pathoai.errors import RecipeError
from pathoai.ihc.chromogens import CHROMOGENS

Compartment = Literal["nucleus", "membrane", "cytoplasm", "stroma", "vessel"]
COMPARTMENTS: tuple[str, ...] = get_args(Compartment)
VETOES = ("brown_on_he", "red_cells", "pen", "fold", "blur", "air_bubble", "blood", "glass_edge")
"""What makes a place unfit for a label: two colours of the H&E slide, and artefacts of either."""

_Made = TypeVar("_Made")
_SUFFIX = ".yaml"
_KEY = re.compile(r"[A-Z0-9][A-Z0-9_-]*")
_FINEST_MPP, _COARSEST_MPP = 0.1, 4.0
_MOST_CHROMOGENS = 2  # with the counterstain, three stains: as many as a camera has colours


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerTarget:
    """What one chromogen of a marker becomes.

    Args:
        class_key: Class of the ontology; ``class`` in the file.
        chromogen: Its colour, of `CHROMOGENS`.
        compartment: Part of the tissue that the antibody binds.
        lowest_od: No slide's threshold lies below this optical density.
        highest_od: Nor above this one, which also serves a slide that shows no clear stain.
        in_doubt: Share of the threshold above and below it within which a pixel is in doubt.
        smoothing_um: Deviation of the Gaussian that the stain is smoothed by; 0 for none.
        closing_um: Gaps up to twice this are closed; 0 for none.
        smallest_um2: Smaller areas are not labelled.
        largest_hole_um2: Smaller holes are filled.
        widest_um: What lies deeper than half of it within an area is in doubt: several membranes
            that touch, or one cut flat; 0 for no limit.
        snap_to_nuclei: Whole nuclei of the H&E slide are labelled where enough of them is stained.
        least_share: What is enough, 0 to 1.
    """

    class_key: str
    chromogen: str
    compartment: Compartment
    lowest_od: float
    highest_od: float
    in_doubt: float = 0.45
    smoothing_um: float = 0.0
    closing_um: float = 0.0
    smallest_um2: float = 0.0
    largest_hole_um2: float = 0.0
    widest_um: float = 0.0
    snap_to_nuclei: bool = False
    least_share: float = 0.4

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        where = self.class_key
        _check_choice("chromogen", self.chromogen, CHROMOGENS, where)
        _check_choice("compartment", self.compartment, COMPARTMENTS, where)
        _check_range("lowest_od", self.lowest_od, (0.05, 3.0), where)
        _check_range("highest_od", self.highest_od, (self.lowest_od, 3.0), where)
        _check_range("in_doubt", self.in_doubt, (0.0, 0.9), where)
        _check_range("least_share", self.least_share, (0.05, 1.0), where)
        for name in ("smoothing_um", "closing_um", "widest_um"):
            _check_range(name, getattr(self, name), (0.0, 20.0), where)
        for name in ("smallest_um2", "largest_hole_um2"):
            _check_range(name, getattr(self, name), (0.0, 1e4), where)
        if type(self.snap_to_nuclei) is not bool:
            raise RecipeError(
                "snap_to_nuclei is yes or no", where=where, found=repr(self.snap_to_nuclei)
            )
        if self.snap_to_nuclei and self.compartment != "nucleus":
            raise RecipeError(
                "only a nuclear stain can be snapped to nuclei", where=where, found=self.compartment
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerRecipe:
    """How a marker becomes labels.

    Args:
        key: Name of the marker, as in ``ihc/<key>``.
        title: For people.
        targets: One for each chromogen.
        names: Other spellings that the cohort may have, e.g. ``Ki-67``.
        label_mpp: Scale of the label, µm per pixel; never finer than the store.
        border_um: Pixels this near the border of a positive area are in doubt, whatever the stain.
        vetoes: What makes a place unfit, of `VETOES`.

    Raises:
        RecipeError: A value that cannot be meant, or two targets of one chromogen or class.
    """

    key: str
    title: str
    targets: tuple[MarkerTarget, ...]
    names: tuple[str, ...] = ()
    label_mpp: float = 0.5
    border_um: float = 0.5
    vetoes: tuple[str, ...] = VETOES

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if not _KEY.fullmatch(self.key):
            raise RecipeError(
                "malformed marker key",
                found=repr(self.key),
                allowed="A-Z, 0-9, '_' and '-', e.g. AE1AE3",
            )
        _check_range("label_mpp", self.label_mpp, (_FINEST_MPP, _COARSEST_MPP), self.key)
        _check_range("border_um", self.border_um, (0.0, 10.0), self.key)
        for veto in self.vetoes:
            _check_choice("vetoes", veto, VETOES, self.key)
        if not 1 <= len(self.targets) <= _MOST_CHROMOGENS:
            raise RecipeError(
                "a marker has one or two targets", where=self.key, found=len(self.targets)
            )
        for name in ("chromogen", "class_key"):
            if len({getattr(target, name) for target in self.targets}) < len(self.targets):
                raise RecipeError(f"two targets share a {name}", where=self.key)

    @property
    def class_key(self) -> str:
        """Class of the first target, which names the marker."""
        return self.targets[0].class_key

    @property
    def compartment(self) -> Compartment:
        """Compartment of the first target."""
        return self.targets[0].compartment

    @property
    def chromogens(self) -> tuple[str, ...]:
        """All of its chromogens."""
        return tuple(target.chromogen for target in self.targets)

    @property
    def label(self) -> str:
        """Name of the label that it gives."""
        return f"ihc/{self.key}"

    @property
    def trust_label(self) -> str:
        """Name of the label that says where to trust it."""
        return f"trust/{self.key}"

    def is_of(self, marker: str) -> bool:
        """True where a cohort's term for a marker means this one."""
        return _plain(marker) in {_plain(name) for name in (self.key, *self.names)}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        lists = ("names", "vetoes", "targets")
        return found | {name: list(found[name]) for name in lists}


def recipe_keys() -> tuple[str, ...]:
    """Keys of the recipes that ship with pathoai."""
    names = (file.name for file in (resources.files("pathoai.ihc") / "recipes").iterdir())
    return tuple(sorted(n.removesuffix(_SUFFIX) for n in names if n.endswith(_SUFFIX)))


def load_recipe(key_or_path: str | Path) -> MarkerRecipe:
    """A shipped recipe by its key or another spelling of it, or one's own by its file.

    Raises:
        RecipeError: Unknown key, or the file is not a well-formed recipe.
    """
    path = Path(key_or_path)
    if path.suffix in {_SUFFIX, ".yml"}:
        return _of_file(path)
    named = {key: _shipped(key) for key in recipe_keys()}
    for recipe in named.values():
        if recipe.is_of(str(key_or_path)):
            return recipe
    near = difflib.get_close_matches(str(key_or_path).upper(), named, n=1, cutoff=0.5)
    raise RecipeError(
        "no recipe for this marker",
        found=repr(str(key_or_path)),
        allowed=", ".join(named) + ", or a .yaml file by --recipe",
        remedy=f"did you mean {near[0]!r}?" if near else None,
    )


def parse_recipe(text: str, where: str = "recipe") -> MarkerRecipe:
    """A recipe from the text of its file.

    Args:
        text: YAML.
        where: Name of the file or marker, for errors.

    Raises:
        RecipeError: No YAML mapping, a key that nothing takes (with the nearest that something
            does), a key that is missing, or a value that cannot be meant.
    """
    try:
        raw: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError("the recipe is no YAML", where=where, found=str(error)) from error
    content = _mapping(raw, MarkerRecipe, where)
    content["targets"] = tuple(
        _target(entry, f"{where} target {number}")
        for number, entry in enumerate(_list(content, "targets", where), start=1)
    )
    for name in ("names", "vetoes"):
        if name in content:
            content[name] = tuple(str(entry) for entry in _list(content, name, where))
    return _made(MarkerRecipe, content, where)


def _shipped(key: str) -> MarkerRecipe:
    file = resources.files("pathoai.ihc") / "recipes" / f"{key}{_SUFFIX}"
    return parse_recipe(file.read_text("utf8"), key)


def _of_file(path: Path) -> MarkerRecipe:
    try:
        return parse_recipe(path.read_text("utf8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            "the marker's recipe cannot be read",
            where=path.name,
            found=type(error).__name__,
            remedy="give the path of a YAML file, in UTF-8",
        ) from error


def _target(raw: object, where: str) -> MarkerTarget:
    return _made(MarkerTarget, _mapping(raw, MarkerTarget, where), where)


def _mapping(raw: object, made: type[Any], where: str) -> dict[str, Any]:
    """The keys of a part of a recipe, all of which its dataclass has."""
    known = [_written(f.name) for f in fields(made)]
    if not isinstance(raw, dict):
        raise RecipeError("not a mapping", where=where, found=repr(raw), allowed=", ".join(known))
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            raise RecipeError(
                "unknown key",
                where=where,
                found=repr(str(key)),
                allowed=", ".join(known),
                remedy=f"did you mean {near[0]!r}?" if near else None,
            )
    needed = [f.name for f in fields(made) if f.default is MISSING]
    missing = [_written(name) for name in needed if _written(name) not in raw]
    if missing:
        raise RecipeError("a key is missing", where=where, found=f"no {', '.join(missing)}")
    return {("class_key" if key == "class" else key): value for key, value in raw.items()}


def _written(name: str) -> str:
    """A field's key in files: ``class`` is no name in Python."""
    return "class" if name == "class_key" else name


def _list(content: Mapping[str, Any], name: str, where: str) -> list[Any]:
    found = content[name]
    if not isinstance(found, list):
        raise RecipeError(f"{name} is no list", where=where, found=repr(found))
    return found


def _made(made: Callable[..., _Made], content: dict[str, Any], where: str) -> _Made:
    try:
        return made(**content)
    except TypeError as error:  # a text where a number belongs
        raise RecipeError("a value of the wrong kind", where=where, found=str(error)) from error


def _check_range(name: str, value: float, allowed: tuple[float, float], where: str) -> None:
    low, high = allowed
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RecipeError(
            "a number that cannot be used",
            where=f"{where} {name}",
            found=repr(value),
            allowed=f"{low:g} to {high:g}",
        )


def _check_choice(name: str, value: str, allowed: Iterable[str], where: str) -> None:
    known = list(allowed)
    if value not in known:
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        raise RecipeError(
            f"unknown {name}",
            where=where,
            found=repr(value),
            allowed=", ".join(known),
            remedy=f"did you mean {near[0]!r}?" if near else None,
        )


def _plain(marker: str) -> str:
    """Letters and digits alone: ``Ki-67`` and ``KI67`` are one."""
    return "".join(c for c in marker.casefold() if c.isalnum())
