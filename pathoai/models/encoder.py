"""What is known of a pretrained encoder: architecture, input, licence; and which ones are known.

An encoder maps one tile to one vector. pathoai ships descriptions (``encoders.yaml``), never
weights. This module is light: torch is not needed to say what an encoder is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml

from pathoai.errors import InvalidValueError, MissingFileError, ModelError
from pathoai.geometry import LARGEST_MPP_UM, SMALLEST_MPP_UM

Pooling = Literal["cls", "mean", "cls+mean", "avg"]
"""How one vector is made: of a transformer the class token, the mean of the patch tokens, or both
one after the other; ``avg`` is the mean over the map of a convolutional network."""
WeightsNaming = Literal["timm", "hf-dinov2"]

LARGEST_MPP_ERROR = 0.05
"""Encoders are trained with crops of slightly varying scale; beyond this they see other cells."""
_ROUNDING = 1e-9
_KEY = re.compile(r"[a-z0-9][a-z0-9.-]*")
_Triple = tuple[float, float, float]


@dataclass(frozen=True)
class EncoderEntry:
    """A pretrained encoder, without its weights.

    Args:
        key: Its name in commands, stores and bundles.
        title: Its name for people.
        architecture: The network by its name in timm.
        embedding: Length of the vector of a tile.
        pooling: How that vector is made.
        size_px: Side of the tiles it takes.
        licence: SPDX identifier, or a name, of the weights' licence.
        commercial: Whether that licence allows commercial use.
        arguments: What else timm is told; layers by their names in ``timm.layers``.
        weights: How the tensors in the published file are named.
        package: The Python package that holds the weights, where one does.
        prefix_tokens: Tokens before those of the patches: class and registers.
        stage: Of a convolutional network, the stage whose map is pooled, counted from 0; what comes
            after it is not computed. None: the last, with all that follows it. Of networks trained
            on photographs the earlier stages tell tissue apart better: they know textures, the last
            one knows objects (Lu MY et al. Nature Biomedical Engineering 2021 take the third of
            four).
        mpp: Scale of the tiles it was trained on; None where it has none, e.g. photographs.
        mean: Of red, green and blue, of values 0 to 1; None where it is not known.
        std: Standard deviation likewise.
        source: Publication or model card.

    Raises:
        InvalidValueError: A field lies outside what is allowed.
    """

    key: str
    title: str
    architecture: str
    embedding: int
    pooling: Pooling
    size_px: int
    licence: str
    commercial: bool
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: WeightsNaming = "timm"
    package: str = ""
    prefix_tokens: int = 0
    stage: int | None = None
    mpp: float | None = None
    mean: _Triple | None = None
    std: _Triple | None = None
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be built, stored under its key, or told apart."""
        if not _KEY.fullmatch(self.key):
            raise InvalidValueError(
                "malformed key of an encoder",
                found=repr(self.key),
                allowed="lower case letters, digits, '.' and '-'",
            )
        for name, allowed in (
            ("pooling", get_args(Pooling)),
            ("weights", get_args(WeightsNaming)),
            ("commercial", (True, False)),
        ):
            if getattr(self, name) not in allowed:
                self._refuse(name, ", ".join(map(str, allowed)))
        for name in ("embedding", "size_px"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                self._refuse(name, "a whole number, 1 or more")
        if (self.pooling != "avg") != (self.prefix_tokens > 0):
            self._refuse("prefix_tokens", "1 or more for tokens, 0 for pooling avg")
        self._check_stage()
        if not self.licence:
            self._refuse("licence", "the licence of the weights")
        if self.mpp is not None and not SMALLEST_MPP_UM <= self.mpp <= LARGEST_MPP_UM:
            self._refuse("mpp", f"{SMALLEST_MPP_UM:g} to {LARGEST_MPP_UM:g} µm per pixel, or null")
        for name in ("mean", "std"):
            self._check_triple(name)

    def _check_stage(self) -> None:
        if self.stage is None:
            return
        if self.pooling != "avg" or type(self.stage) is not int or self.stage < 0:
            self._refuse("stage", "a whole number from 0, with pooling avg; or null")

    def _check_triple(self, name: str) -> None:
        values = getattr(self, name)
        if values is None:
            return
        if len(values) != 3 or not all(isinstance(v, float) and 0 < v <= 1 for v in values):
            self._refuse(name, "three numbers above 0, 1 at most")

    def _refuse(self, name: str, allowed: str) -> None:
        raise InvalidValueError(
            f"{name} of an encoder", where=self.key, found=getattr(self, name), allowed=allowed
        )

    @classmethod
    def from_dict(cls, key: str, raw: Mapping[str, Any]) -> Self:
        """As it is read from YAML or JSON.

        Raises:
            InvalidValueError: A field is unknown, missing or outside what is allowed.
        """
        known = {f.name for f in fields(cls)} - {"key"}
        if unknown := sorted(set(raw) - known):
            raise InvalidValueError(
                "unknown field of an encoder",
                where=key,
                found=", ".join(unknown),
                allowed=", ".join(sorted(known)),
            )
        try:
            triples = {n: tuple(raw[n]) for n in ("mean", "std") if raw.get(n) is not None}
            return cls(key, **{**raw, **triples})
        except TypeError as error:
            raise InvalidValueError(
                "malformed description of an encoder", where=key, found=str(error)
            ) from error

    @property
    def unknown(self) -> tuple[str, ...]:
        """Fields that must be known before a tile can be fed, and are not."""
        return tuple(name for name in ("mean", "std") if getattr(self, name) is None)

    def check_mpp(self, mpp: float, *, where: str) -> None:
        """Refuse tiles of another scale than the encoder's.

        Args:
            mpp: Scale of the tiles, µm per pixel.
            where: Named in the error.

        Raises:
            ModelError: They differ by more than 5 %.
        """
        if self.mpp is None or abs(mpp / self.mpp - 1) <= LARGEST_MPP_ERROR + _ROUNDING:
            return
        raise ModelError(
            "the tiles have another scale than the encoder was trained on",
            where=where,
            found=f"{mpp:g} µm per pixel",
            allowed=f"{self.mpp:g} µm per pixel, within {LARGEST_MPP_ERROR:.0%}",
            remedy=f"use --mpp {self.mpp:g}, or another encoder",
        )


@cache
def shipped_encoders() -> Mapping[str, EncoderEntry]:
    """The encoders that pathoai describes, by key."""
    file = resources.files("pathoai.models") / "encoders.yaml"
    raw: dict[str, Any] = yaml.safe_load(file.read_text("utf8"))["encoders"]
    return {key: EncoderEntry.from_dict(key, entry) for key, entry in raw.items()}


def read_entry(path: Path, key: str) -> EncoderEntry:
    """The description of an encoder in a user's own YAML file, of the form of ``encoders.yaml``.

    Raises:
        MissingFileError: There is no such file.
        InvalidValueError: It is malformed, or does not describe that encoder.
    """
    if not path.is_file():
        raise MissingFileError("no such description of encoders", where=path.name)
    try:
        raw = yaml.safe_load(path.read_text("utf8"))["encoders"]
        entries = {str(name): dict(entry) for name, entry in raw.items()}
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidValueError(
            "malformed description of encoders",
            where=path.name,
            found=str(error),
            allowed="`encoders:` and below it each encoder's fields by its key",
        ) from error
    return EncoderEntry.from_dict(key, pick(key, entries, "encoder"))


def pick(key: str, known: Mapping[str, Any], what: str) -> Any:  # noqa: ANN401 - the mapping's own
    """What is known under a key.

    Raises:
        InvalidValueError: Nothing is; the message lists what is and the nearest key.
    """
    if key in known:
        return known[key]
    near = difflib.get_close_matches(key, known, n=1)
    raise InvalidValueError(
        f"unknown {what}",
        found=repr(key),
        allowed=", ".join(sorted(known)) or "none",
        remedy=f"did you mean {near[0]!r}?" if near else None,
    )
