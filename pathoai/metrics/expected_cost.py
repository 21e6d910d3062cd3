"""What a wrong grade costs, and the decision that is expected to cost least.

Minimum expected cost is Bayes' decision for calibrated probabilities (Berger JO. Statistical
decision theory and Bayesian analysis. 1985). The costs are data: a YAML file beside the ontologies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, OntologyError
from pathoai.metrics.class_probabilities import check_probabilities

_TIE_DECIMALS = 12
"""Expected costs that differ by less are rounding errors of one and the same cost."""


@dataclass(frozen=True)
class CostMatrix:
    """What each decision costs under each truth.

    Args:
        key: Its name.
        ontology: Key of the ontology whose grades it weighs.
        classes: The grades, from least to most severe.
        costs: ``costs[truth][decision]``, 0 on the diagonal, none negative.
        high_grade: The first grade that must not be missed; empty where there is none.
        source: Who set the costs.

    Raises:
        OntologyError: The matrix is not square, a right decision costs something, a cost is
            negative or not finite, or ``high_grade`` is not one of the classes but the first.
    """

    key: str
    ontology: str
    classes: tuple[str, ...]
    costs: tuple[tuple[float, ...], ...]
    high_grade: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what would make a wrong decision look right."""
        size = len(self.classes)
        if size < 2 or len(set(self.classes)) != size:
            raise self._malformed("two or more different classes", ", ".join(self.classes))
        if len(self.costs) != size or any(len(row) != size for row in self.costs):
            raise self._malformed(
                f"{size} rows of {size} costs", f"rows of {[len(r) for r in self.costs]}"
            )
        costs = self.array
        if not np.isfinite(costs).all() or (costs < 0).any():
            raise self._malformed("finite costs, 0 or more", costs.tolist())
        if costs.diagonal().any():
            raise self._malformed("0 on the diagonal", costs.diagonal().tolist())
        if self.high_grade and self.high_grade not in self.classes[1:]:
            raise self._malformed(
                "high_grade among " + ", ".join(self.classes[1:]), repr(self.high_grade)
            )

    def _malformed(self, allowed: str, found: object) -> OntologyError:
        return OntologyError(
            "malformed cost matrix", where=f"costs {self.key}", found=found, allowed=allowed
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> CostMatrix:
        """As it is read from a bundle or a file.

        Raises:
            OntologyError: A field is missing, unknown or malformed.
        """
        try:
            content = dict(raw)
            classes = tuple(str(name) for name in content.pop("classes"))
            costs = tuple(tuple(float(c) for c in row) for row in content.pop("costs"))
            return cls(classes=classes, costs=costs, **content)
        except (KeyError, TypeError, ValueError) as error:
            raise OntologyError(
                "malformed cost matrix",
                found=str(error),
                allowed="key, ontology, classes, costs (optional: high_grade, source)",
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """As it is written to a bundle."""
        return asdict(self)

    @cached_property
    def array(self) -> NDArray[np.float64]:
        """``(K, K)`` float64, truth by decision."""
        return np.array(self.costs, np.float64)

    @property
    def first_high(self) -> int:
        """Position of the first grade that must not be missed.

        Raises:
            InvalidValueError: The matrix names none.
        """
        if not self.high_grade:
            raise InvalidValueError(
                "these costs name no grade that must not be missed",
                where=f"costs {self.key}",
                allowed="high_grade: one of " + ", ".join(self.classes[1:]),
            )
        return self.classes.index(self.high_grade)

    def check_order(self, classes: Sequence[str]) -> None:
        """Refuse to weigh classes by position where their names say another order.

        Args:
            classes: As many as the matrix has, from least to most severe.

        Raises:
            OntologyError: One of them stands elsewhere in the matrix.
        """
        names = zip(self.classes, classes, strict=True)
        if any(own != other and own in classes for own, other in names):
            raise OntologyError(
                "the costs are in another order than the classes",
                where=f"costs {self.key}",
                found=", ".join(self.classes),
                allowed=", ".join(classes),
                remedy="sort classes, rows and columns from least to most severe",
            )

    def expected(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """What each decision is expected to cost, ``(N, K)`` float64.

        Args:
            probabilities: ``(N, K)``, rows that sum to 1.

        Raises:
            InvalidValueError: They are no probabilities of these classes.
        """
        found = check_probabilities(probabilities, len(self.classes))
        return np.asarray(found @ self.array)

    def decide(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """The decision of least expected cost of each row, ``(N,)`` int64.

        Of decisions that cost the same the most severe is taken: the doctor looks twice.

        Args:
            probabilities: ``(N, K)``, rows that sum to 1.

        Raises:
            InvalidValueError: They are no probabilities of these classes.
        """
        expected = np.round(self.expected(probabilities), _TIE_DECIMALS)
        return np.asarray(len(self.classes) - 1 - np.argmin(expected[:, ::-1], axis=1))


def shipped_costs() -> tuple[str, ...]:
    """Keys of the cost matrices that ship with pathoai."""
    folder = resources.files("pathoai") / "ontologies" / "costs"
    return tuple(
        sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))
    )


def load_costs(key_or_path: str | Path) -> CostMatrix:
    """A shipped cost matrix by its key, or one from a YAML file by its path.

    Raises:
        OntologyError: Unknown key, or the file is not a well-formed cost matrix.
    """
    if isinstance(key_or_path, str) and key_or_path in shipped_costs():
        folder = resources.files("pathoai") / "ontologies" / "costs"
        return _parse((folder / f"{key_or_path}.yaml").read_text("utf8"))
    path = Path(key_or_path)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        try:
            return _parse(path.read_text("utf8"))
        except UnicodeDecodeError as error:
            raise OntologyError("the costs are not UTF-8 text", found=str(error)) from error
    raise OntologyError(
        "unknown cost matrix",
        found=repr(str(key_or_path)),
        allowed=", ".join(shipped_costs()) + ", or the path of a .yaml file",
    )


def _parse(text: str) -> CostMatrix:
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OntologyError("malformed cost matrix", found=str(error)) from error
    if not isinstance(raw, dict):
        raise OntologyError("malformed cost matrix", found=type(raw).__name__, allowed="a mapping")
    return CostMatrix.from_dict(raw)
