from __future__ import annotations

import pytest
import torch

from pathoai.errors import InvalidValueError
from pathoai_training.data.augmentation import Augmentation, dihedral


def a_batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (6, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return images, images[:, 0] // 64


def test_the_eight_symmetries_are_different() -> None:
    square = torch.arange(9).view(3, 3)
    found = {tuple(dihedral(square, k).flatten().tolist()) for k in range(8)}
    assert len(found) == 8
    assert torch.equal(dihedral(square, 0), square)


def test_target_turns_with_its_image() -> None:
    images, targets = a_batch()
    turn_only = Augmentation(stain_scale=0, stain_shift=0)
    out, out_targets = turn_only((images, targets), torch.Generator().manual_seed(1))
    assert torch.equal(out[:, 0] // 64, out_targets)
    assert not torch.equal(out, images)


def test_the_same_generator_gives_the_same_batch() -> None:
    first = Augmentation()(a_batch(), torch.Generator().manual_seed(5))[0]
    assert torch.equal(first, Augmentation()(a_batch(), torch.Generator().manual_seed(5))[0])
    assert not torch.equal(first, Augmentation()(a_batch(), torch.Generator().manual_seed(6))[0])


@pytest.mark.parametrize("values", [{"stain_scale": 1.0}, {"stain_shift": -0.1}])
def test_jitter_that_wipes_out_a_stain_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="stain jitter"):
        Augmentation(**values)  # type: ignore[arg-type]  # mypy reads the dict as any argument


def test_each_square_of_a_batch_has_a_symmetry_of_its_own() -> None:
    images, planes = torch.arange(16 * 3 * 25).view(16, 3, 5, 5), torch.arange(16 * 25.0)
    planes = planes.view(16, 1, 5, 5)
    out, out_planes = Augmentation(stain_scale=0, stain_shift=0)(
        (images, planes), torch.Generator().manual_seed(3)
    )
    which = torch.randint(8, (16,), generator=torch.Generator().manual_seed(3)).tolist()
    assert len(set(which)) > 4
    for i, element in enumerate(which):
        assert torch.equal(out[i], dihedral(images[i], element))
        assert torch.equal(out_planes[i], dihedral(planes[i], element))


def test_views_of_one_item_are_turned_and_stained_alike() -> None:
    images, _ = a_batch()
    views = torch.stack([images, images], dim=1)
    (varied,) = Augmentation()([views], torch.Generator().manual_seed(3))
    assert varied.shape == views.shape
    assert torch.equal(varied[:, 0], varied[:, 1])
    (alone,) = Augmentation()([images], torch.Generator().manual_seed(3))
    assert torch.equal(varied[:, 0], alone)
    assert len({tuple(item.flatten().tolist()) for item in varied[:, 0]}) == len(images)
