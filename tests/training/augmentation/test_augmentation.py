from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pathoai.errors import InvalidValueError
from pathoai.models.turns import dihedral
from pathoai.preprocess.stain.stain_jitter import StainJitter
from pathoai_training.augmentation.amounts import Affine, Blur, Colour, Elastic, Noise
from pathoai_training.augmentation.augmentation import Augmentation
from pathoai_training.augmentation.variation import Views

VIEWS = Views(8, (0.5,))
NOTHING = Augmentation(dihedral=False, stain_scale=0, stain_shift=0)
ALL = Augmentation(
    affine=Affine(rotation_deg=30, scale=0.2, shear_deg=5, shift_um=1),
    elastic=Elastic(shift_um=0.4, period_um=4),
    colour=Colour(brightness=0.2, contrast=0.2, saturation=0.2, hue_deg=10),
    blur=Blur(sigma_um=0.4),
    noise=Noise(levels=6),
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_batch() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randint(256, (6, 3, 8, 8), generator=seeded(0), dtype=torch.uint8)
    return images, images[:, 0] // 64


def test_the_eight_symmetries_are_different() -> None:
    square = torch.arange(9).view(3, 3)
    found = {tuple(dihedral(square, k).flatten().tolist()) for k in range(8)}
    assert len(found) == 8
    assert torch.equal(dihedral(square, 0), square)


def test_target_turns_with_its_image() -> None:
    images, targets = a_batch()
    turn_only = replace(NOTHING, dihedral=True)
    out, out_targets = turn_only((images, targets), seeded(1), VIEWS)
    assert torch.equal(out[:, 0] // 64, out_targets)
    assert not torch.equal(out, images)


@pytest.mark.parametrize("recipe", [Augmentation(), ALL])
def test_the_same_generator_gives_the_same_batch(recipe: Augmentation) -> None:
    first = recipe(a_batch(), seeded(5), VIEWS)[0]
    assert torch.equal(first, recipe(a_batch(), seeded(5), VIEWS)[0])
    assert not torch.equal(first, recipe(a_batch(), seeded(6), VIEWS)[0])


def test_defaults_are_symmetries_then_stains() -> None:
    images, targets = a_batch()
    generator = seeded(7)
    which = torch.randint(8, (6,), generator=generator).tolist()
    turned = torch.stack([dihedral(image, k) for image, k in zip(images, which, strict=True)])
    expected = StainJitter(0.15, 0.03)(turned, generator)
    assert torch.equal(Augmentation()((images, targets), seeded(7), VIEWS)[0], expected)


def test_nothing_stated_changes_nothing() -> None:
    images, targets = a_batch()
    out = NOTHING((images, targets), seeded(0), VIEWS)
    assert torch.equal(out[0], images)
    assert torch.equal(out[1], targets)


def test_a_batch_is_not_written_to() -> None:
    images, targets = a_batch()
    ALL((images, targets), seeded(0), VIEWS)
    assert all(map(torch.equal, (images, targets), a_batch()))


@pytest.mark.parametrize("values", [{"stain_scale": 1.0}, {"stain_shift": -0.1}])
def test_jitter_that_wipes_out_a_stain_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="stain jitter"):
        Augmentation(**values)  # type: ignore[arg-type]  # mypy reads the dict as any argument


@pytest.mark.parametrize(
    ("part", "values", "says"),
    [
        (Affine, {"rotation_deg": 181}, r"affine.rotation_deg.*181.*0 to 180"),
        (Affine, {"scale": 0.6}, r"affine.scale.*0 to 0.5"),
        (Affine, {"shear_deg": -1}, r"affine.shear_deg.*0 to 30"),
        (Affine, {"shift_um": float("inf")}, r"affine.shift_um.*0 or more"),
        (Affine, {"rotation_deg": 9, "probability": 0}, r"probability.*leave the section out"),
        (Elastic, {"shift_um": 4}, r"elastic.shift_um.*0 to 3.2"),
        (Elastic, {"period_um": 0}, r"elastic.period_um.*more than 0"),
        (Colour, {"brightness": 1}, r"colour.brightness.*0 to 0.9"),
        (Colour, {"hue_deg": float("nan")}, r"colour.hue_deg.*nan"),
        (Blur, {"sigma_um": -0.1}, r"blur.sigma_um"),
        (Blur, {"probability": 0.3}, r"blur has a probability but no amount.*sigma_um"),
        (Noise, {"levels": 65}, r"noise.levels.*0 to 64"),
        (Noise, {"levels": 6, "probability": 1.5}, r"noise.probability.*above 0, to 1"),
        (Augmentation, {"where": "gpu"}, r"augmentation.where.*batch or loader"),
    ],
)
def test_impossible_amounts_are_refused(
    part: type[object], values: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidValueError, match=says):
        part(**values)


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (
            Augmentation(affine=Affine(shift_um=2.1)),
            r"shift_um is too much for tiles of 4 µm.*0 to 2",
        ),
        (Augmentation(blur=Blur(sigma_um=0.5)), r"sigma_um is too much.*0 to 0.4"),
        (Augmentation(elastic=Elastic(shift_um=0.1, period_um=1)), r"too fine for 0.5.*2 or more"),
    ],
)
def test_amounts_that_do_not_fit_the_tiles_are_refused(recipe: Augmentation, says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        recipe.check_fits(VIEWS)


def test_amounts_and_shares_are_those_of_the_recipe() -> None:
    """Uniform within the stated limits, and as often as stated."""
    recipe = Augmentation(
        affine=Affine(rotation_deg=90, scale=0.3, shear_deg=20, shift_um=2, probability=0.5),
        colour=Colour(brightness=0.2, contrast=0.3, saturation=0.4, hue_deg=30, probability=0.7),
        blur=Blur(sigma_um=0.4, probability=0.2),
        noise=Noise(levels=6, probability=0.1),
    )
    drawn = recipe.draw(20_000, seeded(0), VIEWS)
    assert drawn.warp is not None
    assert drawn.colour is not None
    assert drawn.noise is not None
    assert drawn.blur_um is not None
    shares = {
        0.5: len(drawn.warp.chosen),
        0.7: len(drawn.colour.chosen),
        0.2: int((drawn.blur_um > 0).sum()),
        0.1: int((drawn.noise.levels > 0).sum()),
    }
    for share, found in shares.items():
        assert found / 20_000 == pytest.approx(share, abs=0.015)
    for amounts, least, most in (
        (drawn.warp.shift_um, -2, 2),
        (torch.linalg.det(drawn.warp.matrix), 1.3**-2, 0.7**-2),
        (drawn.colour.brightness, 0.8, 1.2),
        (drawn.colour.contrast, 0.7, 1.3),
        (drawn.colour.saturation, 0.6, 1.4),
        (drawn.colour.hue_deg, -30, 30),
        (drawn.blur_um, 0, 0.4),
        (drawn.noise.levels, 0, 6),
    ):
        spread = most - least
        assert least - 1e-5 <= amounts.min() <= least + 0.02 * spread
        assert most + 1e-5 >= amounts.max() >= most - 0.02 * spread


def test_each_square_of_a_batch_has_a_symmetry_of_its_own() -> None:
    images, planes = torch.arange(16 * 3 * 25).view(16, 3, 5, 5), torch.arange(16 * 25.0)
    planes = planes.view(16, 1, 5, 5)
    out, out_planes = replace(NOTHING, dihedral=True)((images, planes), seeded(3), VIEWS)
    which = torch.randint(8, (16,), generator=seeded(3)).tolist()
    assert len(set(which)) > 4
    for i, element in enumerate(which):
        assert torch.equal(out[i], dihedral(images[i], element))
        assert torch.equal(out_planes[i], dihedral(planes[i], element))


def test_views_of_one_item_are_turned_and_stained_alike() -> None:
    images, _ = a_batch()
    views, scales = torch.stack([images, images], dim=1), Views(8, (0.5, 1.0))
    (varied,) = Augmentation()([views], seeded(3), scales)
    assert varied.shape == views.shape
    assert torch.equal(varied[:, 0], varied[:, 1])
    (alone,) = Augmentation()([images], seeded(3), VIEWS)
    assert torch.equal(varied[:, 0], alone)
    assert len({tuple(item.flatten().tolist()) for item in varied[:, 0]}) == len(images)


def test_classes_of_regions_stay() -> None:
    images, _ = a_batch()
    classes = torch.arange(6)
    assert torch.equal(ALL((images, classes), seeded(0), VIEWS)[1], classes)
