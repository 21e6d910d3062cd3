"""``pathoai info``: what a slide file says of itself."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pathoai.cli.command import Command


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "slide", type=Path, metavar="SLIDE", help="a slide file, or the folder of one slide"
    )


def run(options: Namespace) -> None:
    from pathoai.slide.mpp_gate import check_mpp
    from pathoai.slide.open_slide import describe_slide

    found = describe_slide(options.slide)
    print(f"reader       {found.reader}")
    print(f"vendor       {found.vendor}")
    print(f"compression  {found.compression}")
    print(f"objective    {found.objective_power or 'not stated'} (shown, never computed with)")
    for index, level in enumerate(found.levels):
        size = f"{level.size_px.width} × {level.size_px.height} px"
        print(f"level {index}      {size}, downsample {level.downsample:.4g}")
    for name, image in sorted(found.associated_images.items()):
        print(f"associated   {name}, {image.width} × {image.height} px")
    if not found.associated_images:
        print("associated   none")
    stated = " × ".join(text or "not stated" for text in found.stated_mpp)
    print(f"mpp          {stated} µm per pixel", flush=True)
    check_mpp(found.stated_mpp, None, found.objective_power)


COMMAND = Command(
    "info",
    "say what a slide file holds, and check its scale",
    "pathoai info slide.svs",
    configure,
    run,
)
