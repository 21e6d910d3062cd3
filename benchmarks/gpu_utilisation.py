"""How busy a GPU is, as its driver samples it."""

from __future__ import annotations

import threading

import numpy as np
import torch


class Utilisation:
    """NVML's samples of how busy the GPU is, while in the context."""

    def __init__(self, device: torch.device) -> None:
        """Sample nothing yet."""
        self.samples: list[int] = []
        self._device = device
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Utilisation:
        """Begin."""
        if self._device.type == "cuda":
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _sample(self) -> None:
        try:
            import pynvml

            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            while not self._stop.wait(0.1):
                self.samples.append(int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        except Exception as error:  # noqa: BLE001 - a measurement less, not a run less
            print("no NVML:", error, flush=True)

    def __str__(self) -> str:
        """In the mean."""
        return f"{np.mean(self.samples):.0f} %" if self.samples else "–"
