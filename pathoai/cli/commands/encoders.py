"""``pathoai encoders``: which pretrained encoders are known, and which have weights here."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command, add_action

if TYPE_CHECKING:  # reading the descriptions takes time that --help should not
    from pathoai.models.encoder import EncoderEntry
    from pathoai.models.encoder_registry import RegisteredEncoder


_HEADINGS = ("encoder", "tile", "mpp", "vector", "licence", "commercial", "weights", "title")


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="ACTION", required=True)
    listing = add_action(
        words,
        "list",
        "list encoders, their licences, and what is registered",
        "pathoai encoders list",
    )
    listing.set_defaults(action=_list)
    register = add_action(
        words,
        "register",
        "say where the weights of an encoder lie; nothing is fetched, the file stays in place",
        "pathoai encoders register efficientnet-lite0",
    )
    register.add_argument("key", metavar="KEY", help="an encoder of `pathoai encoders list`")
    register.add_argument(
        "weights",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="the weights, a safetensors file; none for efficientnet-lite0, whose weights come "
        "from an installed Python package",
    )
    register.add_argument(
        "--accept-licence",
        default="",
        metavar="NAME",
        help="say that you know the licence of the weights, by its name; it is noted in all that "
        "is made with them",
    )
    register.add_argument(
        "--describe", type=Path, metavar="FILE", help="describe KEY by a YAML file of your own"
    )
    register.set_defaults(action=_register)


def run(options: Namespace) -> None:
    options.action(options)


def _list(options: Namespace) -> None:
    from pathoai.models.encoder import shipped_encoders
    from pathoai.models.encoder_registry import EncoderRegistry

    registered = EncoderRegistry().registered()
    entries = {**shipped_encoders(), **{key: one.entry for key, one in registered.items()}}
    rows = [_HEADINGS, *(_row(entries[key], registered.get(key)) for key in sorted(entries))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _row(entry: EncoderEntry, registered: RegisteredEncoder | None) -> tuple[str, ...]:
    weights = "no weights here" if registered is None else f"SHA-256 {registered.sha256[:12]}…"
    return (
        entry.key,
        f"{entry.size_px} px",
        "any" if entry.mpp is None else f"{entry.mpp:g}",
        str(entry.embedding),
        entry.licence,
        "yes" if entry.commercial else "no",
        f"{weights}; describe its {', '.join(entry.unknown)}" if entry.unknown else weights,
        entry.title,
    )


def _register(options: Namespace) -> None:
    from pathoai.models.encoder import pick, read_entry, shipped_encoders
    from pathoai.models.encoder_registry import EncoderRegistry
    from pathoai.models.register_encoder import register_file, register_package

    key, registry, licence = options.key, EncoderRegistry(), options.accept_licence
    if options.describe is not None:
        entry = read_entry(options.describe, key)
    else:
        entry = pick(key, shipped_encoders(), "encoder")
    if options.weights is None:
        encoder = register_package(registry, entry, accepted_licence=licence)
    else:
        encoder = register_file(registry, entry, options.weights, accepted_licence=licence)
    print(f"{key}: registered, SHA-256 {encoder.sha256[:12]}…, licence {entry.licence}")
    if not entry.commercial:
        print(f"{key}: not for commercial use; features and models made with it say so")


COMMAND = Command(
    "encoders",
    "list pretrained encoders and register their weights",
    "pathoai encoders register efficientnet-lite0",
    configure,
    run,
)
