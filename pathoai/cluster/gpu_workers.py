"""GPUs and who computes on them: workers of a cluster, or processes of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # torch is heavy, and an extra
    import torch

GPU = "GPU"
"""The resource that workers with a GPU declare: ``dask worker --resources GPU=1``."""
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_ASKS = ("--gres=gpu", "--gpus", "-G")
_MOST_PROCESSES = 8
"""While one predicts, five or six others outline what they found: both take a few seconds."""
_ROOM_BYTES, _ROOM_OF_A_TILE_BYTES = 5 << 30, 1 << 28
"""GPU memory of a process that predicts, besides its batch; and of a tile of that: eight maps of 64
channels of 512 px in half precision. With eight tiles, three share 24 GB, and eight share 80 GB."""
_ASK_S = 20.0


def devices_here() -> tuple[str, ...]:
    """The GPUs of this machine that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    try:
        import torch
    except ModuleNotFoundError:
        return ()
    return visible_devices(torch.cuda.device_count(), os.environ.get(_VISIBLE))


def visible_devices(count: int, stated: str | None) -> tuple[str, ...]:
    """Names of devices.

    Args:
        count: How many CUDA sees.
        stated: What CUDA_VISIBLE_DEVICES says: the scheduler of a shared machine may have set it.
    """
    names = [str(number) for number in range(count)]
    if stated is not None:
        names = [name.strip() for name in stated.split(",") if name.strip()]
    return tuple(names[:count])


def processes_on(device: torch.device, threads: int, batch_size: int) -> int:
    """Processes of this machine that are best fed to a device; 1 where it is no GPU of NVIDIA's.

    Args:
        device: Which.
        threads: That they may use together.
        batch_size: Tiles that each computes at once.
    """
    if device.type != "cuda" or not admits_several():
        return 1
    import torch

    memory_bytes = torch.cuda.get_device_properties(device).total_memory
    return processes_sharing(memory_bytes, threads, batch_size)


def processes_sharing(memory_bytes: int, threads: int, batch_size: int) -> int:
    """The same of a GPU that admits several.

    Args:
        memory_bytes: Of the GPU.
        threads: That they may use together: each has one for the GPU, and one to read.
        batch_size: Tiles that each computes at once.
    """
    room_bytes = _ROOM_BYTES + batch_size * _ROOM_OF_A_TILE_BYTES
    return max(1, min(_MOST_PROCESSES, memory_bytes // room_bytes, threads // 2))


def admits_several() -> bool:
    """False where an administrator set a GPU of this machine to admit one process only.

    NVIDIA calls this its compute mode.
    """
    ask = ["nvidia-smi", "--query-gpu=compute_mode", "--format=csv,noheader"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return True  # it is not installed; nearly all admit several
    return not any(mode in said.stdout for mode in ("Exclusive", "Prohibited"))


def device_options(worker: int, devices: Sequence[str]) -> dict[str, Any]:
    """What dask starts a worker of this machine with, so that it sees one device.

    Args:
        worker: Its number, from 0; where workers are more than devices, they share them in turn.
        devices: Of this machine; without any, workers compute on the CPU.
    """
    if not devices:
        return {}
    return {
        "env": {_VISIBLE: devices[worker % len(devices)]},
        "resources": {GPU: 1},
    }


def job_options(device: str, directives: Sequence[str], extra: Sequence[str]) -> dict[str, Any]:
    """What a SLURM job and its worker get besides what the user stated.

    Args:
        device: Where the work computes: ``cpu``; ``auto``, on a GPU where the user's settings ask
            for one; ``cuda``, which asks for one if they do not.
        directives: Of the job, as the user stated them.
        extra: Words for the worker, likewise.

    Returns:
        ``job_extra_directives`` and ``worker_extra_args``, as far as they change.
    """
    if device == "cpu":
        return {}
    asked = any(directive.strip().startswith(_ASKS) for directive in directives)
    if not asked and not device.startswith("cuda"):
        return {}
    found: dict[str, Any] = {}
    if not asked:
        found["job_extra_directives"] = [*directives, "--gres=gpu:1"]
    if not any(word.startswith("--resources") for word in extra):
        found["worker_extra_args"] = [*extra, f"--resources {GPU}=1"]
    return found
