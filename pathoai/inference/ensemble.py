"""Several opinions on tiles or regions, averaged: of several networks, and of turned copies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pathoai.errors import ModelError
from pathoai.models.bundle import REGION_CLASSIFICATION, ModelBundle
from pathoai.models.onnx_network import int8_sha256, runtime_of
from pathoai.models.probability_network import forward_of
from pathoai.models.region_decision import RegionDecision
from pathoai.models.turns import TURNS

EXPECTED_ENTROPY = -1
"""Position of the members' mean entropy among the outputs."""

_Turn = Callable[[torch.Tensor], torch.Tensor]
_SAME = ("task", "ontology", "classes", "spec", "context")
"""Versions of an ontology may differ: they add classes, and never change one."""


@dataclass(frozen=True, slots=True)
class Member:
    """A network that is asked.

    Args:
        bundle: What it is.
        network: Its weights; or an ``OnnxNetwork``, which onnxruntime computes.
    """

    bundle: ModelBundle
    network: nn.Module

    @property
    def asks_all_turns(self) -> bool:
        """True of a model of regions whose own answer is already the mean over all symmetries."""
        if self.bundle.task != REGION_CLASSIFICATION:
            return False
        decision = RegionDecision.from_dict(self.bundle.decision, where=self.bundle.name)
        return decision.turns == TURNS

    def outputs(self, batch: torch.Tensor) -> torch.Tensor:
        """Calibrated probabilities, then maps, ``(N, C, S, S)`` float32, of uint8 images.

        Of views of regions ``(N, K)``.
        """
        found = forward_of(self.bundle, self.network)(batch)
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Members that are averaged, in float32.

    Args:
        members: One or more; all of one task, ontology, classes, and size and scale of tiles.
        turned: Each is asked about the eight symmetries of the square (the group D4), unless it
            asks itself about all of them; answers about pixels are turned back.

    Raises:
        ModelError: A member differs from the first in what must be alike, or comes twice.
    """

    members: tuple[Member, ...]
    turned: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be averaged."""
        first = self.members[0].bundle
        for member in self.members[1:]:
            for field in _SAME:
                found, allowed = getattr(member.bundle, field), getattr(first, field)
                if found != allowed:
                    raise ModelError(
                        f"models of an ensemble must have the same {field.replace('_', ' ')}",
                        where=member.bundle.name,
                        found=found,
                        allowed=f"{allowed}, as {first.name}",
                    )
        names = [member.bundle.name for member in self.members]
        if len(set(names)) < len(names):
            raise ModelError("a model comes twice in the ensemble", found=", ".join(names))

    @property
    def asks_once(self) -> bool:
        """True where there is one opinion, and nothing to disagree about."""
        return len(self.members) == 1 and not self.turned

    @property
    def outputs(self) -> int:
        """Channels of the answer."""
        return self.members[0].bundle.outputs + (not self.asks_once)

    @property
    def about(self) -> dict[str, Any]:
        """What a prediction says of it: identities by name, and symmetries.

        Members in 8-bit integers are named: they say something else than their bundles.
        """
        int8 = {member.bundle.name: int8_sha256(member.network) for member in self.members}
        known = {name: sha256 for name, sha256 in int8.items() if sha256 is not None}
        return {
            "members": {member.bundle.name: member.bundle.identity for member in self.members},
            "test_time_augmentation": "D4" if self.turned else "none",
        } | ({"int8": known} if known else {})

    @property
    def runtime(self) -> dict[str, str]:
        """What computes: ``runtime`` and ``precision``; of members that differ, all of them."""
        said = [runtime_of(member.network) for member in self.members]
        return {key: " and ".join(sorted({one[key] for one in said})) for key in said[0]}

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """The mean answer.

        Args:
            batch: Tiles ``(N, 3, S, S)`` uint8, or views of regions ``(N, V, 3, S, S)``.

        Returns:
            ``(N, outputs, S, S)`` float32, of regions ``(N, outputs)``: classes, then maps, then
            (unless only one is asked) the mean of the answers' entropies, divided by ln of the
            number of classes.
        """
        if self.asks_once:
            return self.members[0].outputs(batch)
        bundle = self.members[0].bundle
        classes = len(bundle.classes)
        total, count = torch.zeros(()), 0
        for member in self.members:
            for turn, back in _symmetries(turned=self.turned and not member.asks_all_turns):
                found = member.outputs(turn(batch))
                if bundle.task != REGION_CLASSIFICATION:
                    found = back(found)
                found = torch.cat([found, relative_entropy(found[:, :classes], dim=1)], dim=1)
                total, count = total.to(found.device) + found, count + 1
        return total / count


def relative_entropy(probabilities: torch.Tensor, *, dim: int) -> torch.Tensor:
    """Entropy of classes along an axis, which stays, divided by its largest value, ln K."""
    entropy: torch.Tensor = torch.special.entr(probabilities).sum(dim=dim, keepdim=True)
    return entropy / math.log(probabilities.shape[dim])


def _symmetries(*, turned: bool) -> Iterator[tuple[_Turn, _Turn]]:
    """How the last two axes are turned, and turned back."""
    for mirrored in (False, True) if turned else (False,):
        for quarters in range(4 if turned else 1):
            yield _turn(quarters, mirrored), _back(quarters, mirrored)


def _turn(quarters: int, mirrored: bool) -> _Turn:
    def turn(x: torch.Tensor) -> torch.Tensor:
        return torch.rot90(x.flip(-1) if mirrored else x, quarters, (-2, -1))

    return turn


def _back(quarters: int, mirrored: bool) -> _Turn:
    def back(x: torch.Tensor) -> torch.Tensor:
        straight = torch.rot90(x, -quarters, (-2, -1))
        return straight.flip(-1) if mirrored else straight

    return back
