"""What is varied together stays together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from pathoai_training.augmentation.albumentations_operations import AlbumentationsOperations
from pathoai_training.augmentation.amounts import Affine, Blur, Colour, Elastic, Noise
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.torch_operations import TorchOperations
from pathoai_training.augmentation.variation import Variation, Views, Warp
from pathoai_training.augmentation.vary import ImageOperations, vary
from pathoai_training.augmentation.warped import warped_places, warped_plane
from pathoai_training.data.instance_maps import instance_maps

SIDE, MPP = 64, 0.5
VIEWS = Views(SIDE, (MPP,))
NOTHING = Augmentation(dihedral=False, stain_scale=0, stain_shift=0)
GEOMETRY = replace(
    NOTHING,
    dihedral=True,
    affine=Affine(rotation_deg=60, scale=0.2, shear_deg=8, shift_um=4),
    elastic=Elastic(shift_um=0.8, period_um=8, probability=1),
)
COLOURS = replace(
    NOTHING,
    stain_scale=0.2,
    stain_shift=0.05,
    colour=Colour(brightness=0.1, contrast=0.1, saturation=0.1),
    blur=Blur(sigma_um=0.5),
)


@pytest.fixture(scope="module", params=["torch", "albumentations"])
def operations(request: pytest.FixtureRequest) -> ImageOperations:
    return TorchOperations() if request.param == "torch" else AlbumentationsOperations()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def discs(count: int = 4, side: int = SIDE) -> torch.Tensor:
    """``(count, side, side)`` int32 numbers of objects."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    planes = np.zeros((count, side, side), np.int32)
    for plane in planes:
        for number, (cx, cy, r) in enumerate(rng.uniform((8, 8, 4), (56, 56, 8), (12, 3)), 1):
            plane[((x - cx) ** 2 + (y - cy) ** 2 < r**2) & (plane == 0)] = number
    return torch.from_numpy(planes)


def marked(numbers: torch.Tensor) -> torch.Tensor:
    """Images whose objects are dark: what is dark and what is numbered must stay the same."""
    return torch.where(numbers[:, None] > 0, 40, 220).expand(-1, 3, -1, -1).to(torch.uint8)


def around(angle_deg: float, scale: float = 1.0, shift_um: float = 0.0) -> Warp:
    """The inverse of turning by an angle and resizing, for one item."""
    turn = np.deg2rad(angle_deg)
    forward = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = torch.from_numpy(np.linalg.inv(forward)).float()[None]
    return Warp(matrix, torch.full((1, 2), shift_um), torch.zeros(1, 2, 0, 0), 1.0)


def test_images_and_all_their_planes_move_alike(operations: ImageOperations) -> None:
    numbers = discs()
    targets = (numbers > 0).to(torch.uint8)
    maps = torch.stack([torch.from_numpy(instance_maps(n.numpy())) for n in numbers])
    variation = GEOMETRY.draw(4, seeded(2), VIEWS)
    batch = (marked(numbers), targets, maps, numbers)
    image, target, depth, number = vary(batch, variation, VIEWS, operations)
    inside = target != 255
    assert 0.5 < inside.float().mean() < 1
    assert torch.equal(target == 1, number > 0)
    assert torch.equal(depth[:, 0] > 0, number > 0)
    # A pixel at a rim is a mixture, and lies on the side of the nearest.
    assert ((image[:, 0] < 130) != (target == 1))[inside].float().mean() < 0.01
    assert (image[:, 0][~inside] > 0).all()


def test_both_ways_give_the_same_planes_and_nearly_the_same_images() -> None:
    numbers = discs()
    batch = (marked(numbers), (numbers > 0).to(torch.uint8), numbers)
    noise = Noise(levels=8, probability=1)
    recipe = replace(
        GEOMETRY, stain_scale=0.2, colour=COLOURS.colour, blur=COLOURS.blur, noise=noise
    )
    variation = recipe.draw(4, seeded(4), VIEWS)
    by_torch = vary(batch, variation, VIEWS, TorchOperations())
    by_albumentations = vary(batch, variation, VIEWS, AlbumentationsOperations())
    assert all(map(torch.equal, by_torch[1:], by_albumentations[1:]))
    apart = (by_torch[0].int() - by_albumentations[0].int()).abs()
    assert not torch.equal(by_torch[0], batch[0])
    assert apart.max() <= 4
    assert apart.float().mean() < 1.5


def test_a_mask_is_warped_as_scipy_does() -> None:
    targets = torch.randint(4, (1, SIDE, SIDE), generator=seeded(0)).to(torch.uint8)
    warp = around(23, scale=1.3, shift_um=2.0)
    places = warped_places(warp, torch.arange(1), SIDE, MPP, torch.device("cpu"))
    found = warped_plane(targets, places)[0].numpy()
    matrix, middle = warp.matrix[0].double().numpy(), (SIDE - 1) / 2
    shift = warp.shift_um[0].double().numpy() / MPP
    swapped = matrix[::-1, ::-1]  # scipy counts rows first
    offset = middle + shift[::-1] - swapped @ np.array([middle, middle])
    wanted = ndimage.affine_transform(
        targets[0].numpy(), swapped, offset, order=0, mode="grid-constant", cval=255
    )
    assert (found == wanted).mean() > 0.999  # but for places half way between two pixels


def test_a_quarter_turn_is_one_of_the_symmetries(operations: ImageOperations) -> None:
    numbers = discs(1)
    batch = (marked(numbers), numbers)
    image, number = vary(batch, Variation(warp=around(90)), VIEWS, operations)
    assert torch.equal(number, torch.rot90(numbers, -1, (-2, -1)))
    assert torch.equal(image, torch.rot90(batch[0], -1, (-2, -1)))


@pytest.mark.parametrize("angle_deg", [0.0, 37.0])
@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_moved_maps_are_those_of_moved_objects(angle_deg: float, scale: float) -> None:
    """Depth is relative to the object's largest, so it need not be computed again."""
    y, x = np.mgrid[:SIDE, :SIDE]
    numbers = np.zeros((SIDE, SIDE), np.int32)
    for key, (cx, cy) in enumerate([(20, 24), (40, 30), (30, 44)], 1):
        numbers[(x - cx) ** 2 + (y - cy) ** 2 < 8**2] = key
    maps = torch.from_numpy(instance_maps(numbers))[None]
    batch = (marked(torch.from_numpy(numbers)[None]), maps, torch.from_numpy(numbers)[None])
    variation = Variation(warp=around(angle_deg, scale))
    _, moved, number = vary(batch, variation, VIEWS, TorchOperations())
    again = instance_maps(number[0].numpy())
    apart = np.abs(moved[0].numpy() - again)[again > 0]
    half_a_pixel = 0.5 / (8 * scale)
    assert apart.mean() < half_a_pixel
    assert np.quantile(apart, 0.99) < 3 * half_a_pixel


def test_what_nobody_assessed_stays_so(operations: ImageOperations) -> None:
    targets = torch.full((2, SIDE, SIDE), 255, dtype=torch.uint8)
    targets[:, :, 32:] = 1
    images = torch.where(targets[:, None] == 255, 250, 30).expand(-1, 3, -1, -1).to(torch.uint8)
    out, moved = vary((images, targets), GEOMETRY.draw(2, seeded(1), VIEWS), VIEWS, operations)
    assert set(moved.unique().tolist()) == {1, 255}  # nearest: nothing between 1 and 255
    assert (out[:, 0][moved == 1] < 140).float().mean() > 0.99


def test_views_show_the_same_tissue_warped(operations: ImageOperations) -> None:
    """What lies in the middle of the wide view is the near view, before and after."""
    y, x = np.mgrid[:256, :256]
    waves = 128 + 60 * np.sin(x / 13) + 50 * np.cos(y / 17 + x / 40)
    tissue = torch.from_numpy(waves)[None, None].expand(1, 3, -1, -1)
    near = tissue[..., 96:160, 96:160]
    wide = torch.nn.functional.avg_pool2d(tissue, 4)
    views = torch.stack([near, wide], 1).round().to(torch.uint8)
    scales = Views(64, (0.5, 2.0))
    recipe = replace(
        NOTHING,
        dihedral=True,
        affine=Affine(rotation_deg=40, scale=0.2, shear_deg=5, shift_um=3),
        elastic=Elastic(shift_um=1.2, period_um=16, probability=1),
    )
    assessed = torch.zeros(1, 64, 64, dtype=torch.uint8)
    drawn = recipe.draw(1, seeded(8), scales)
    out, moved = vary((views, assessed), drawn, scales, operations)
    pooled = torch.nn.functional.avg_pool2d
    seen_near, seen_wide = pooled(out[:, 0].double(), 4), out[:, 1, :, 24:40, 24:40].double()
    # Beyond its edges the near view is mirrored, where the wide one still shows tissue.
    known = pooled(moved[:, None].double(), 4) == 0
    assert known.float().mean() > 0.6
    assert ((seen_near - seen_wide).abs() * known).max() < 6
    assert (out[:, 1].int() - views[:, 1].int()).abs().float().mean() > 10


def test_views_of_one_item_are_recoloured_alike(operations: ImageOperations) -> None:
    numbers = discs()
    views = torch.stack([marked(numbers)] * 2, 1)
    recipe = replace(COLOURS, blur=Blur())
    scales = Views(SIDE, (0.5, 2.0))
    (out,) = vary((views,), recipe.draw(4, seeded(1), scales), scales, operations)
    assert torch.equal(out[:, 0], out[:, 1])
    assert not torch.equal(out[0], out[1])


def test_blur_is_of_the_tissue(operations: ImageOperations) -> None:
    """The same µm are fewer pixels of a wide view."""
    noise = torch.randint(256, (1, 1, 3, SIDE, SIDE), generator=seeded(0), dtype=torch.uint8)
    views = noise.expand(-1, 2, -1, -1, -1)
    variation = Variation(blur_um=torch.tensor([1.0]))
    (out,) = vary((views,), variation, Views(SIDE, (0.5, 4.0)), operations)
    near, wide = out[0].double().flatten(1).std(1)
    assert near < 25
    assert wide > 60


def test_bending_never_folds_tissue() -> None:
    """The largest displacements that are allowed, in opposite directions at all nodes."""
    nodes = torch.ones(1, 2, 11, 11)
    nodes[..., ::2] *= -1
    nodes[..., ::2, :] *= -1
    warp = Warp(torch.eye(2)[None], torch.zeros(1, 2), 0.8 * nodes, 8.0)
    places = warped_places(warp, torch.arange(1), 128, MPP, torch.device("cpu"))[0].double()
    right = places[:-1, 1:] - places[:-1, :-1]
    down = places[1:, :-1] - places[:-1, :-1]
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    assert area.min() > 0


def test_noise_differs_between_items_and_batches(operations: ImageOperations) -> None:
    images = torch.full((2, 3, 16, 16), 128, dtype=torch.uint8)
    recipe = replace(NOTHING, noise=Noise(levels=10, probability=1))
    (first,) = vary((images,), recipe.draw(2, seeded(0), VIEWS), VIEWS, operations)
    (second,) = vary((images,), recipe.draw(2, seeded(1), VIEWS), VIEWS, operations)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)
