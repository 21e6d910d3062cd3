"""The grade of a slide: a bundle and the features in the slide's store, with torch alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from pathoai.errors import ModelError
from pathoai.inference.current_features import current_features
from pathoai.inference.scale_warning import scale_warnings
from pathoai.inference.slide_grade import REFER, SlideGrade
from pathoai.models.bag_classifier import BagClassifier
from pathoai.models.bundle import SLIDE_GRADING, ModelBundle
from pathoai.models.familiarity import UNFAMILIAR
from pathoai.models.grade_decision import GradeDecision
from pathoai.models.referral import REFERRED
from pathoai.ontology import NOT_ASSESSED, Ontology
from pathoai.provenance import sha256_of_json
from pathoai.store.features import SlideFeatures
from pathoai.store.objects import ObjectTable
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec

TOP_TILES = 25
"""Enough to see where the model looked; all tiles would be the tissue again."""
_SAME_ENCODER = ("key", "weights_sha256", "description_sha256")


def grade_name(model: str) -> str:
    """The table of objects that holds the grade by a model, and the tiles it rests on."""
    return f"grade/{model}"


@dataclass(frozen=True)
class SlideGrader:
    """A model ready to grade.

    Args:
        bundle: What the model is.
        network: Its weights, on ``device``.
        ontology: The study's classes.
        device: Where it computes.

    Raises:
        ModelError: It does another task, or is for another ontology.
        OntologyError: The ontology lacks a class of the model.
    """

    bundle: ModelBundle
    network: torch.nn.Module
    ontology: Ontology
    device: torch.device

    def __post_init__(self) -> None:
        """Refuse models that grade no slides."""
        self.bundle.check_task(SLIDE_GRADING)
        if not isinstance(self.network, BagClassifier):
            raise ModelError(
                "the network classifies no bags of tiles",
                where=self.bundle.name,
                found=self.bundle.architecture,
                allowed="gated-attention, mean-pool, or another BagClassifier",
            )
        self.bundle.channel_classes(self.ontology)

    @property
    def encoder(self) -> str:
        """Key of the encoder whose features it takes."""
        return str(self.bundle.encoder.get("key", ""))

    @property
    def features_command(self) -> str:
        """What a user runs to have the features that it takes, in backquotes."""
        spec = self.bundle.spec
        return (
            f"`pathoai features STUDY --encoder {self.encoder} --mpp {spec.mpp:g} "
            f"--overlap {spec.overlap_px} --min-tissue {spec.min_tissue_fraction:g}`"
        )

    def about(self, store: SlideStore) -> dict[str, Any]:
        """What a grade says of itself: model, version of its input, and that it is a proposal.

        Raises:
            StoreError: The store has no features of the encoder, or old ones.
            ModelError: They are of other weights or other tiles than the model was trained on.
        """
        features = self.features(store)
        return self.bundle.proposal(store.identity) | {
            "features_sha256": sha256_of_json(features.shards)
        }

    def features(self, store: SlideStore) -> SlideFeatures:
        """The features of a slide that this model can be shown; raises as :meth:`about`."""
        features = current_features(store, self.encoder)
        for name in _SAME_ENCODER:
            found, wanted = features.about.get(name), self.bundle.encoder.get(name)
            if found != wanted:
                raise ModelError(
                    "the features are not of the encoder that the model was trained on",
                    where=f"{store.slide_id} {self.bundle.name}",
                    found=f"{name} {_short(found)}",
                    allowed=_short(wanted),
                    remedy=f"register those weights, then {self.features_command}",
                )
        if features.spec != self.bundle.spec:
            raise ModelError(
                "the features are of other tiles than the model was trained on",
                where=f"{store.slide_id} {self.bundle.name}",
                found=_tiles(features.spec),
                allowed=_tiles(self.bundle.spec),
                remedy=f"run {self.features_command}",
            )
        return features

    def grade(self, store: SlideStore) -> tuple[SlideGrade, NDArray[np.float64]]:
        """What the model says of a slide, and the weight of each tile.

        Args:
            store: The slide's.

        Returns:
            The grade; and ``(N,)`` float64, 1 in sum, in the order of the features.

        Raises:
            StoreError: As :meth:`about`.
            ModelError: Likewise; or the bundle does not say how to decide.
        """
        features = torch.from_numpy(self.features(store).read())[None].to(self.device)
        mask = torch.ones(features.shape[:2], dtype=torch.bool, device=self.device)
        assert isinstance(self.network, BagClassifier)
        with torch.inference_mode():
            vector = self.network.pool(features, mask)
            logits = self.network.head(vector).float().cpu()
            weights = self.network.attention(features, mask)[0].double().cpu().numpy()
        probabilities = self.bundle.calibration.probabilities(logits).double().numpy()
        grade = self._said(store, probabilities, vector.float().cpu().numpy(), mask.numel())
        return grade, np.asarray(weights / weights.sum())

    def _said(
        self,
        store: SlideStore,
        probabilities: NDArray[np.float64],
        vector: NDArray[np.float32],
        tiles: int,
    ) -> SlideGrade:
        """From probabilities ``(1, K)`` and vector ``(1, H)`` to words."""
        decision = GradeDecision.from_dict(self.bundle.decision, where=self.bundle.name)
        classes, rule = self.bundle.classes, decision.referral
        position = int(rule.decide(probabilities)[0])
        inside = decision.sets.contains(probabilities)[0]
        familiarity = float(decision.familiarity.p_value(vector)[0])
        notes = [rule.statement] if rule.threshold is None else []
        notes += scale_warnings(store.mpp, self.bundle.spec.mpp)
        if familiarity <= UNFAMILIAR:
            notes.append(
                "this slide looks less like those the model was validated on than "
                f"{100 * (1 - UNFAMILIAR):g} % of them do"
            )
        return SlideGrade(
            store.slide_id,
            classes,
            tuple(probabilities[0].tolist()),
            REFER if position == REFERRED else classes[position],
            tuple(key for key, is_in in zip(classes, inside, strict=True) if is_in),
            familiarity,
            tuple(notes),
            tiles,
        )

    def top_tiles(
        self, store: SlideStore, grade: SlideGrade, weights: NDArray[np.float64]
    ) -> ObjectTable:
        """The tiles that weighed most, with the grade in what the table says of its source.

        Args:
            store: The slide's.
            grade: Of the slide.
            weights: ``(N,)``, of its tiles.

        Returns:
            The heaviest first; ``probability`` holds the weight, and the class of all is the
            decided grade, or 255 on a referred slide.
        """
        features = self.features(store)
        order = np.argsort(-weights, kind="stable")[:TOP_TILES]
        regions = [features.region(int(index)) for index in order]
        boxes = [shapely.box(r.x, r.y, r.x + r.width, r.y + r.height) for r in regions]
        scale = store.header.slide_mpp
        area = [r.width * scale.x * r.height * scale.y for r in regions]
        said = NOT_ASSESSED if grade.is_referred else self.ontology[grade.decision].index
        return ObjectTable(
            np.array(boxes, dtype=object),
            np.full(len(order), said, np.uint8),
            weights[order].astype(np.float32),
            np.array(area, np.float32),
            self.about(store) | {"grade": grade.to_dict()},
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"


def _tiles(spec: TileSpec) -> str:
    return (
        f"{spec.size_px} px at {spec.mpp:g} µm, overlap {spec.overlap_px} px, "
        f"tissue {spec.min_tissue_fraction:g} or more"
    )
