"""The task: the grade of a whole slide, from the features of its tiles."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pathoai.errors import InvalidValueError, ModelError, RecipeError
from pathoai.metrics.agreement import kappa
from pathoai.metrics.expected_cost import CostMatrix, load_costs, shipped_costs
from pathoai.models.architecture import build_network
from pathoai.models.bag_classifier import BagClassifier
from pathoai.models.bundle import SLIDE_GRADING
from pathoai.models.calibration import Calibration, fit_temperature, measure_reliability
from pathoai.models.grade_decision import GradeDecision
from pathoai.models.reader_noise import reading_matrix
from pathoai.models.referral import patients_needed
from pathoai_training.data.bag_data import BagData
from pathoai_training.data.bag_dataset import BagBatch
from pathoai_training.tasks.calibration_parts import CalibrationParts
from pathoai_training.tasks.grade_loss import GradeLoss
from pathoai_training.tasks.grading_examination import (
    GradingExamination,
    calibrated,
    constant_scores,
    decision_metrics,
    examine_bags,
    grade_metrics,
)
from pathoai_training.tasks.task import Conclusion, Task

BASELINE = "mean-pool"


class SlideGrading(Task[BagData, GradingExamination]):
    """Trains a network to grade slides, and mean pooling beside it, which is always reported.

    The two share nothing but the batches: the baseline's parameters have gradients and optimiser
    states of their own, and never reach the bundle.

    Args:
        classes: Keys of the grades, from least to most severe.
        architecture: A bag classifier: ``gated-attention`` or ``mean-pool``.
        arguments: What else the architecture takes, but for the length of the features.
        learning_rate: Peak of the schedule.
        weight_decay: Of the optimiser.
        ordinal_weight: Of the cumulative term in the loss.
        reader_noise: Share of slides that readers grade one off, as second readings show it: the
            network then learns, and says, what is true rather than what is read. 0 takes each
            grade at its word.
        costs: Of wrong grades: the key of a matrix that ships with pathoai, or the matrix itself.
        accepted_miss_rate: Share of the patients with a high-grade lesion who may be graded below
            high grade without being referred to a doctor, on average.
        set_error_rate: Share of the slides whose prediction set may lack the true grade.

    Raises:
        InvalidValueError: A rate outside 0 to 1, or the costs name no high grade.
        RecipeError: The costs are unknown, or not of as many grades.
        OntologyError: They are malformed.
    """

    kind = SLIDE_GRADING

    def __init__(  # noqa: PLR0913 - the keys of a recipe's model section, kept flat
        self,
        *,
        classes: tuple[str, ...],
        architecture: str = "gated-attention",
        arguments: dict[str, Any] | None = None,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        ordinal_weight: float = 1.0,
        reader_noise: float = 0.0,
        costs: str | dict[str, Any] = "tissuenet",
        accepted_miss_rate: float = 0.02,
        set_error_rate: float = 0.1,
    ) -> None:
        """Build networks and loss; the length of the features is learnt in :meth:`check`."""
        super().__init__(
            classes=classes,
            architecture=architecture,
            arguments=arguments,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )
        # Plain lists and dicts: checkpoints are loaded with weights_only=True.
        classes, arguments = tuple(classes), self.arguments
        self.save_hyperparameters()
        self.costs = _costs_of(costs, self.channels)
        for name, rate in (
            ("accepted_miss_rate", accepted_miss_rate),
            ("set_error_rate", set_error_rate),
        ):
            if not 0 < rate < 1:
                raise InvalidValueError(name, found=rate, allowed="above 0, below 1")
        self.accepted_miss_rate = accepted_miss_rate
        self.set_error_rate = set_error_rate
        self.reader_noise = reader_noise
        self.readings = reading_matrix(len(self.channels), reader_noise)
        self.loss = GradeLoss(ordinal_weight, reader_noise)
        self.baseline: nn.Module = nn.Identity()
        self._confusion = torch.zeros(len(self.channels), len(self.channels))

    def configure_network(self) -> nn.Module:
        """From features and mask to logits.

        Raises:
            InvalidValueError: The architecture is unknown.
            ModelError: It classifies no bags, or does not take these arguments.
        """
        return self._bag_classifier(self.architecture, self.arguments)

    def _bag_classifier(self, architecture: str, arguments: dict[str, Any]) -> BagClassifier:
        # Until the data is seen any length serves to refuse wrong arguments.
        given = {"features": 1} | arguments
        network = build_network(architecture, classes=len(self.channels), arguments=given)
        if not isinstance(network, BagClassifier):
            raise ModelError(
                "the architecture classifies no bags of tiles",
                where="model.architecture",
                found=architecture,
                allowed="gated-attention, mean-pool, or another BagClassifier",
            )
        return network

    def check(self, data: BagData) -> None:
        """Make both networks for the features there are.

        Raises:
            RecipeError: The costs are for another ontology.
        """
        if self.costs.ontology != data.ontology.key:
            raise RecipeError(
                "the costs are for another ontology than the study's",
                where=f"costs {self.costs.key}",
                found=self.costs.ontology,
                allowed=data.ontology.key,
            )
        self.encoder = dict(data.encoder)
        self.arguments["features"] = data.embedding
        shared = {k: v for k, v in self.arguments.items() if k in ("features", "hidden", "dropout")}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(data.seed)
            network, baseline = self.configure_network(), self._bag_classifier(BASELINE, shared)
        features = data.sample_of_features()
        for made in (network, baseline):
            assert isinstance(made, BagClassifier)
            made.scale.measure(features)
        self.network, self.baseline = network, baseline

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # type: ignore[override]  # bags, not images
        """Logits of bags: features ``(B, N, F)`` and mask ``(B, N)``."""
        logits: torch.Tensor = self.network(features, mask)
        return logits

    def training_step(self, batch: BagBatch, batch_idx: int) -> torch.Tensor:
        """The losses of both networks; neither has a gradient from the other's."""
        features, mask, grade = batch
        loss: torch.Tensor = self.loss(self(features, mask), grade)
        baseline: torch.Tensor = self.loss(self.baseline(features, mask), grade)
        self.log("train/loss", loss)
        self.log("train/baseline_loss", baseline)
        return loss + baseline

    def validation_step(self, batch: BagBatch, batch_idx: int) -> None:
        """Count the most probable grade of each slide."""
        features, mask, grade = batch
        logits = self(features, mask)
        self.log("validation/loss", self.loss(logits, grade), batch_size=len(grade), sync_dist=True)
        pairs = grade * len(self.channels) + logits.argmax(1)
        counted = torch.bincount(pairs, minlength=self._confusion.numel())
        self._confusion += counted.view_as(self._confusion).to(self._confusion)

    def on_validation_epoch_end(self) -> None:
        """Log the agreement, then forget."""
        agreement = kappa(self._confusion.numpy(), weights="quadratic")
        self._confusion.zero_()
        # Every process has the same value already: sync_dist only keeps Lightning quiet.
        self.log("validation/quadratic_kappa", float(agreement), sync_dist=True)

    def examine(self, data: BagData, subset: str) -> GradingExamination:
        """Logits of every slide of a subset, whole, by both networks."""
        rows = [slide.row for slide in data.slides_of(subset)]
        assert isinstance(self.network, BagClassifier)
        assert isinstance(self.baseline, BagClassifier)
        return GradingExamination(
            tuple(row.slide_id for row in rows),
            tuple(row.patient_id or row.slide_id for row in rows),
            *examine_bags(self.network, self.baseline.to(self.device), data.whole_slides(subset)),
        )

    def conclude(self, validation: GradingExamination, measured: GradingExamination) -> Conclusion:
        """Temperature, referral and sets from one subset; how they do on the other.

        No patient serves for the temperature and for what is decided by it, where there are enough
        (:class:`CalibrationParts`).
        """
        parts = CalibrationParts.of(
            validation,
            first_high=self.costs.first_high,
            needed=patients_needed(self.accepted_miss_rate),
        )
        calibration = self._calibration(parts.temperature.logits, parts.temperature.truth)
        deciding = parts.decision
        decision = GradeDecision.fitted(
            calibrated(calibration, deciding.logits),
            deciding.truth.numpy(),
            deciding.patients,
            deciding.vectors.numpy(),
            costs=self.costs,
            accepted_miss_rate=self.accepted_miss_rate,
            set_error_rate=self.set_error_rate,
        )
        truth, found = measured.truth.numpy(), calibrated(calibration, measured.logits)
        baseline = self._calibration(parts.temperature.baseline, parts.temperature.truth)
        # What can be compared with grades as they were given are chances of giving them.
        read = torch.from_numpy(found) @ self.readings
        reliability = measure_reliability(read, measured.truth)
        metrics = {
            "slides": len(truth),
            **grade_metrics(found, truth, self.costs),
            "mean_pool": grade_metrics(calibrated(baseline, measured.baseline), truth, self.costs),
            "constant_decision": constant_scores(truth, self.costs),
            **decision_metrics(decision, found, measured),
            "calibration_error": round(reliability.expected_error, 6),
            "calibrated_on": {
                "temperature_slides": len(parts.temperature.slide_ids),
                "decision_slides": len(parts.decision.slide_ids),
                "patients_apart": parts.apart,
            },
        }
        fitted = Calibration(calibration.temperature, reliability)
        return Conclusion(fitted, metrics, decision.to_dict())

    def _calibration(self, logits: torch.Tensor, truth: torch.Tensor) -> Calibration:
        return Calibration(fit_temperature(logits, truth, readings=self.readings))


def _costs_of(costs: str | dict[str, Any], classes: tuple[str, ...]) -> CostMatrix:
    """The costs by key or in full, as many as there are grades."""
    if isinstance(costs, str) and costs not in shipped_costs():
        # A path would travel with the recipe into the bundle.
        raise RecipeError(
            "unknown cost matrix",
            where="model.costs",
            found=repr(costs),
            allowed=", ".join(shipped_costs()) + ", or a mapping of key, ontology, classes, costs "
            "and high_grade",
        )
    found = load_costs(costs) if isinstance(costs, str) else CostMatrix.from_dict(costs)
    if len(found.classes) != len(classes):
        raise RecipeError(
            "the costs are not of as many grades as there are classes",
            where=f"costs {found.key}",
            found=", ".join(found.classes),
            allowed=f"{len(classes)}: {', '.join(classes)}",
        )
    found.check_order(classes)
    found.first_high  # noqa: B018 - raises where the costs name none
    return found
