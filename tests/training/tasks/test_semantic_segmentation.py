from __future__ import annotations

import pytest
import torch

from pathoai.ontology import NOT_ASSESSED
from pathoai_training.tasks.semantic_segmentation import SegmentationLoss, SemanticSegmentation


def logits_for(target: torch.Tensor, strength: float) -> torch.Tensor:
    return strength * torch.nn.functional.one_hot(target, 2).movedim(-1, 1).float()


def test_right_is_cheap_and_wrong_is_dear() -> None:
    target = torch.randint(2, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    loss = SegmentationLoss()
    right, wrong = (float(loss(logits_for(t, 20), target)) for t in (target, 1 - target))
    assert right < 0.01
    assert wrong > 10


@pytest.mark.parametrize("dice_weight", [0.0, 1.0])
def test_pixels_that_nobody_assessed_cost_nothing(dice_weight: float) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(2, (1, 8, 8), generator=generator)
    logits = torch.randn(1, 2, 8, 8, generator=generator)
    loss = SegmentationLoss(dice_weight=dice_weight)
    target[:, 4:] = NOT_ASSESSED
    before = float(loss(logits, target))
    logits[:, :, 4:] = 50 * torch.randn(1, 2, 4, 8, generator=generator)
    assert float(loss(logits, target)) == pytest.approx(before, abs=1e-5)
    nothing = torch.full_like(target, NOT_ASSESSED)
    assert torch.isfinite(loss(logits, nothing))


def test_module_maps_bytes_to_logits() -> None:
    module = SemanticSegmentation(classes=("nucleus",), arguments={"width": 4, "depth": 1})
    images = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    assert module(images).shape == (1, 2, 16, 16)
    assert module.channels == ("background", "nucleus")
    assert dict(module.hparams)["arguments"] == {"width": 4, "depth": 1}
