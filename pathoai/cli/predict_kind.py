"""How models of one task are run over one slide: a bundle says which task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathoai.cli.predict_grade import gather_grades, predict_grade, slide_grader
from pathoai.cli.predict_pixels import pixel_predictor, predict_pixels
from pathoai.cli.predict_regions import predict_regions, region_predictor
from pathoai.cli.predict_work import PredictWork
from pathoai.cluster.work_item import Done
from pathoai.errors import InvalidValueError
from pathoai.progress import Advance

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from pathoai.models.bundle import ModelBundle
    from pathoai.study.study import Study

_LANES = 3
"""One slide is finished while another computes and a third is ready to."""


@dataclass(frozen=True, slots=True)
class PredictKind:
    """How models of one task are run.

    Args:
        ready: Loads the model; refuses what cannot be, before any slide is touched.
        predict: Does one slide; at the top of a module, so that it can be sent to a worker.
        gather: Run once after the slides of a study, also when some of them failed.
        names_regions: It takes ``--regions``.
        takes_features: It looks at the features of an encoder, not at pixels.
        lanes: Slides under way at once in one process. Where more than one, processes may also
            share a GPU.
    """

    ready: Callable[[PredictWork], object]
    predict: Callable[[PredictWork, int | None, Advance], Done]
    gather: Callable[[Study, str], None] | None = None
    names_regions: bool = False
    takes_features: bool = False
    lanes: int = 1


def kind_of(bundle: ModelBundle, regions: str) -> PredictKind:
    """How a model is run; the predictor refuses a task that nothing here does.

    Args:
        bundle: Of the model.
        regions: The source of regions that was asked for; empty where none was.

    Raises:
        InvalidValueError: Regions are named for a model that names none.
    """
    from pathoai.models.bundle import REGION_CLASSIFICATION, SLIDE_GRADING

    kind = PredictKind(pixel_predictor, predict_pixels, lanes=_LANES)
    if bundle.task == SLIDE_GRADING:
        kind = PredictKind(slide_grader, predict_grade, gather_grades, takes_features=True)
    if bundle.task == REGION_CLASSIFICATION:
        kind = PredictKind(region_predictor, predict_regions, names_regions=True)
    if regions and not kind.names_regions:
        raise InvalidValueError("--regions is for models that name regions", found=bundle.task)
    return kind
