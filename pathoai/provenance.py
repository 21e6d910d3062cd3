"""What made an output: inputs' hashes, versions and parameters, without any name or path."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pathoai import __version__
from pathoai.atomic_file import write_text_atomically

# What shapes the numbers in an output; the rest of the environment does not.
_VERSIONED = (
    "numpy",
    "scipy",
    "scikit-image",
    "openslide-python",
    "openslide-bin",
    "zarr",
    "torch",
    "timm",
    "segmentation-models-pytorch",
)
_IN_RESULTS = ("numpy", "onnxruntime", "torch")
"""What computes a prediction; named in each of its files, so that two can be told apart."""
_BLOCK_BYTES = 1 << 20


def utc_now() -> str:
    """The present moment, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_path(path: Path) -> str:
    """SHA-256 of a file's bytes, or of all files below a folder, whatever their names."""
    if path.is_file():
        return sha256_of_file(path)
    return sha256_of_json(sorted(sha256_of_file(f) for f in path.rglob("*") if f.is_file()))


def sha256_of_json(value: object) -> str:
    """SHA-256 of the canonical JSON text of a value (sorted keys, no blanks), hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def software_versions() -> dict[str, str]:
    """Versions of pathoai, Python and the libraries that shape results, where installed."""
    python = {"python": platform.python_version()}
    return {"pathoai": __version__, **python, **_installed(_VERSIONED)}


def result_software() -> dict[str, str]:
    """Versions that a result carries: pathoai, and what computed it, where installed."""
    return {"pathoai": __version__, **_installed(_IN_RESULTS)}


@cache  # each look parses the metadata of a package, and every output asks
def _installed(names: tuple[str, ...]) -> Mapping[str, str]:
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@dataclass(frozen=True, slots=True)
class ProvenanceRecord:
    """One run of one command.

    Args:
        command: The command's words, e.g. ``tile`` or ``package build``.
        parameters: Every setting that shaped the output; never a path or a name.
        inputs: What was read: a label such as ``slide/<id>`` → SHA-256.
        outputs: What was written, likewise.
        started: ISO 8601, UTC.
        ended: ISO 8601, UTC.
    """

    command: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    started: str
    ended: str

    def write(self, folder: Path) -> Path:
        """Write the record as a JSON file of its own; earlier records are never touched."""
        folder.mkdir(parents=True, exist_ok=True)
        content = asdict(self) | {"software": software_versions()}
        name = f"{self.command.replace(' ', '-')}-{self.started.replace(':', '')[:17]}"
        path = folder / f"{name}-{sha256_of_json(content)[:8]}.json"
        write_text_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
        return path
