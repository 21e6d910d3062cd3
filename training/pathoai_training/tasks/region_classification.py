"""The task: a class for each region, such as a lesion's square or a nucleus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchmetrics.classification import MulticlassRecall

from pathoai.errors import InvalidValueError, RecipeError
from pathoai.inference.regions import check_source
from pathoai.metrics.agreement import balanced_accuracy, recall
from pathoai.metrics.confusion import confusion_by_item
from pathoai.metrics.cost_score import cost_score
from pathoai.metrics.expected_cost import CostMatrix, load_costs
from pathoai.models.bundle import REGION_CLASSIFICATION
from pathoai.models.calibration import Calibration, fit_temperature, measure_reliability
from pathoai.models.region_classifier import check_context
from pathoai.models.region_decision import ANNOTATIONS, RegionDecision
from pathoai.models.turns import TURNS
from pathoai.ontology import Ontology
from pathoai_training.data.region_data import Batch, RegionData
from pathoai_training.tasks.ordinal_loss import OrdinalLoss
from pathoai_training.tasks.region_examination import RegionExamination, examine_regions
from pathoai_training.tasks.task import Conclusion, Task


class RegionLoss(nn.Module):
    """Cross entropy, and where classes are ordered the ordinal loss.

    Args:
        class_weights: Of each class in the cross entropy; all alike where empty.
        ordinal_weight: Of the ordinal loss; cross entropy has weight 1.
        grades: Rank of each class; needed where the ordinal loss has weight.
    """

    def __init__(
        self,
        *,
        class_weights: Sequence[float] = (),
        ordinal_weight: float = 0.0,
        grades: Sequence[int] = (),
    ) -> None:
        """Build both."""
        super().__init__()
        self.classes = nn.CrossEntropyLoss(torch.tensor(class_weights) if class_weights else None)
        self.ordinal_weight = ordinal_weight
        self.order = OrdinalLoss(grades) if ordinal_weight else None

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of logits ``(N, C)`` for classes ``(N,)`` int64, a scalar."""
        loss: torch.Tensor = self.classes(logits.float(), target)
        if self.order is not None:
            loss = loss + self.ordinal_weight * self.order(logits, target)
        return loss


class RegionClassification(Task[RegionData, RegionExamination]):
    """Trains a network to name the class of regions.

    Args:
        classes: Keys of the classes, in the order of the output channels; where the ordinal loss
            or costs are used, from least to most severe.
        architecture: Maps views ``(N, V, 3, S, S)`` to ``(N, C)``.
        arguments: What else the architecture takes.
        pretrained: Key of a registered encoder to begin with; ``arguments`` names its network.
        learning_rate: Peak of the schedule.
        weight_decay: Of the optimiser.
        class_weights: Of each class in the cross entropy; all alike where empty. Not needed where
            training regions are drawn evenly.
        ordinal_weight: Of the ordinal loss; above 0 only where every class has a grade.
        costs: Cost matrix by which decisions are taken and scored, a key or a file; where empty
            the most probable class is decided.
        all_turns: Whether logits are averaged over the eight turns and mirror images of a region
            when it is examined.
        regions: Which regions prediction names where the user states none: ``annotations`` of the
            journal, or squares over the ``tissue``.
    """

    kind = REGION_CLASSIFICATION

    def __init__(  # noqa: PLR0913 - the keys of a recipe's model section, kept flat
        self,
        *,
        classes: tuple[str, ...],
        architecture: str = "region-classifier",
        arguments: dict[str, Any] | None = None,
        pretrained: str | None = None,
        learning_rate: float = 0.002,
        weight_decay: float = 0.01,
        class_weights: tuple[float, ...] = (),
        ordinal_weight: float = 0.0,
        costs: str = "",
        all_turns: bool = True,
        regions: str = ANNOTATIONS,
    ) -> None:
        """Build the network; weights are random. The loss follows in :meth:`check`."""
        super().__init__(
            classes=classes,
            architecture=architecture,
            arguments=arguments,
            pretrained=pretrained,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )
        # Plain lists and dicts: checkpoints are loaded with weights_only=True.
        classes, arguments = tuple(classes), self.arguments
        self.save_hyperparameters()
        if class_weights and (len(class_weights) != len(classes) or min(class_weights) <= 0):
            raise InvalidValueError(
                "class_weights", found=class_weights, allowed=f"{len(classes)} above 0, or none"
            )
        if ordinal_weight < 0:
            raise InvalidValueError("ordinal_weight", found=ordinal_weight, allowed="0 or more")
        self.class_weights = tuple(class_weights)
        self.ordinal_weight = ordinal_weight
        self.costs = load_costs(costs) if costs else None
        self.turns = TURNS if all_turns else 1
        check_source(regions)
        self.regions = regions
        self.loss = RegionLoss(class_weights=self.class_weights)
        self.validation_recall = MulticlassRecall(len(classes), average="none")

    def check(self, data: RegionData) -> None:
        """Refuse views or an order that do not fit; the ordinal loss learns its grades.

        Raises:
            RecipeError: The network looks at other views than the data shows; or the ordinal loss
                or costs are wanted of classes that have no such order.
        """
        wanted = check_context(self.arguments.get("context", ()))
        if wanted != data.context:
            raise RecipeError(
                "the network looks at other views than the data shows",
                where="model.arguments.context and data.context",
                found=f"{list(wanted)} and {list(data.context)}",
                allowed="the same factors",
            )
        grades = grades_of(data.ontology, self.channels)
        if self.ordinal_weight:
            if not grades:
                raise _no_order("model.ordinal_weight", data.ontology, self.channels)
            self.loss = RegionLoss(
                class_weights=self.class_weights,
                ordinal_weight=self.ordinal_weight,
                grades=grades,
            )
        if self.costs is not None:
            _check_costs(self.costs, grades, data.ontology, self.channels)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The loss of a batch."""
        views, target = batch
        loss: torch.Tensor = self.loss(self(views), target)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the regions of a batch."""
        views, target = batch
        self.validation_recall.update(self(views), target)

    def on_validation_epoch_end(self) -> None:
        """Log the recall of each class, and their mean, then forget."""
        values = self.validation_recall.compute()
        self.validation_recall.reset()
        # Every process has the same values already: sync_dist only keeps Lightning quiet.
        for key, value in zip(self.channels, values, strict=True):
            self.log(f"validation/recall/{key}", value.float(), sync_dist=True)
        self.log("validation/balanced_accuracy", values.float().mean(), sync_dist=True)

    def examine(self, data: RegionData, subset: str) -> RegionExamination:
        """Predict every region of a subset once."""
        return examine_regions(
            self,
            data.dataset(subset),
            np.array(data.slide_ids),
            batch_size=data.batch_size,
            turns=self.turns,
        )

    def conclude(self, validation: RegionExamination, measured: RegionExamination) -> Conclusion:
        """The temperature; recall of each class, confusion, calibration and the score by costs."""
        temperature = fit_temperature(validation.logits, validation.target)
        chances = Calibration(temperature).probabilities(measured.logits)
        reliability = measure_reliability(chances, measured.target)
        probabilities = chances.double().numpy()
        decided = (
            probabilities.argmax(1) if self.costs is None else self.costs.decide(probabilities)
        )
        confusion = confusion_by_item(
            measured.target.numpy(), decided, classes=len(self.channels)
        ).sum(0)
        metrics: dict[str, Any] = {
            "balanced_accuracy": _number(balanced_accuracy(confusion)),
            "recall": _by_class(self.channels, recall(confusion)),
            "calibration_error": round(reliability.expected_error, 6),
            "regions": len(measured.target),
            "confusion": {
                truth: dict(zip(self.channels, row.tolist(), strict=True))
                for truth, row in zip(self.channels, confusion, strict=True)
            },
        }
        if self.costs is not None:
            metrics["costs"] = _score(confusion, self.costs, self.channels)
        return Conclusion(Calibration(temperature, reliability), metrics, self._decision())

    def _decision(self) -> dict[str, Any]:
        return RegionDecision(self.turns, self.costs, self.regions).to_dict()


def grades_of(ontology: Ontology, classes: Sequence[str]) -> tuple[int, ...]:
    """Rank of each class; none where one has no grade.

    Args:
        ontology: Of the classes.
        classes: Their keys.
    """
    grades = [ontology[key].grade for key in classes]
    return tuple(g for g in grades if g is not None) if None not in grades else ()


def _no_order(where: str, ontology: Ontology, classes: Sequence[str]) -> RecipeError:
    return RecipeError(
        "these classes have no order",
        where=where,
        found=", ".join(f"{key}: grade {ontology[key].grade}" for key in classes),
        allowed="classes that each have a grade in the ontology",
        remedy="choose such classes, or set it to 0",
    )


def _check_costs(
    costs: CostMatrix, grades: Sequence[int], ontology: Ontology, classes: Sequence[str]
) -> None:
    """Refuse costs that do not weigh these classes, one by one.

    Raises:
        RecipeError: They are of another ontology, or the classes are not its grades in order.
    """
    if costs.ontology != ontology.key or list(grades) != list(range(len(costs.classes))):
        raise RecipeError(
            "the costs weigh other classes than the recipe's",
            where=f"model.costs {costs.key}",
            found=", ".join(f"{key}: grade {ontology[key].grade}" for key in classes),
            allowed=f"one class of ontology {costs.ontology} for each of "
            + ", ".join(f"grade {i} ({name})" for i, name in enumerate(costs.classes)),
        )


def _score(
    confusion: NDArray[np.int64], costs: CostMatrix, classes: Sequence[str]
) -> dict[str, Any]:
    """The score by costs with what keeps it honest."""
    found = cost_score(confusion, costs)
    return {
        "score": _number(found.score),
        "score_above_constant": _number(found.gain),
        "quadratic_kappa": _number(found.quadratic_kappa),
        "score_of_constant": _by_class(classes, found.constant),
    }


def _number(value: NDArray[np.float64] | float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _by_class(classes: Sequence[str], values: NDArray[np.float64]) -> dict[str, float | None]:
    return {key: _number(value) for key, value in zip(classes, values, strict=True)}
