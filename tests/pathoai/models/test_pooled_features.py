"""What a network made of an image: of the one that was asked about, whoever asks beside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch
from torch import nn

from pathoai.models.pooled_features import pooled_features


class Together(nn.Module):
    """Two threads are in it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 2, 1)
        self.barrier = Barrier(2, timeout=30)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.barrier.wait()
        found: torch.Tensor = self.head(x)
        self.barrier.wait()
        return found


def test_threads_that_share_a_network_see_their_own_images() -> None:
    network = Together()
    images = [torch.full((1, 3, 4, 4), float(value)) for value in range(2)]
    with ThreadPoolExecutor(2) as pool, torch.no_grad():
        for found, image in zip(
            pool.map(lambda image: pooled_features(network, image), images), images, strict=True
        ):
            means, deviations = found.detach().split(3, dim=1)
            assert torch.equal(means[0], image[0, :, 0, 0])
            assert not deviations.any()
    assert not network.head._forward_pre_hooks
