"""Peak memory of building and verifying a package, by the number of its slides.

``python benchmarks/package_memory.py 20 100 1000 --out benchmarks/results/package_memory.md``

Each study has the same few annotations on each of its slides, so that only the number of slides
grows. Building and verifying run in processes of their own; what is told is the largest resident
set that each ever had. The claim: a package is made slide by slide, so that what grows with slides
are rows of tables and entries of descriptions, not outlines.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import shapely

from pathoai import __version__
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal

_ANNOTATIONS = 20
_VERTICES_QUARTER = 16
_MIB = 2**20
_PER_KIB = 1 if sys.platform == "darwin" else 1024
"""``ru_maxrss`` is in bytes on macOS, in KiB elsewhere."""


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("slides", type=int, nargs="+", help="numbers of slides")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    rows = [measure(count) for count in options.slides]
    text = report(rows)
    print(text)
    if options.out:
        options.out.write_text(text, "utf8")


def measure(slides: int) -> tuple[int, float, float, float, float]:
    """Slides; MiB and seconds of building; MiB and seconds of verifying."""
    folder = Path(tempfile.mkdtemp(prefix="package-memory-"))
    os.environ["PATHOAI_VAULT"] = str(folder / "vault")
    try:
        in_own_process(make_study, folder, slides)
        built, build_s = in_own_process(build, folder, slides)
        verified, verify_s = in_own_process(verify, folder, slides)
    finally:
        shutil.rmtree(folder)
    print(f"{slides} slides: {built:.0f} MiB built, {verified:.0f} MiB verified", file=sys.stderr)
    return slides, built, build_s, verified, verify_s


def in_own_process(
    work: Callable[[Path, int], None], folder: Path, slides: int
) -> tuple[float, float]:
    """Peak MiB and seconds of a piece of work in a fresh interpreter.

    Raises:
        RuntimeError: It failed.
    """
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_work, args=(answers, work, folder, slides))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")
    peak, seconds = answers.get()
    return peak, seconds


def _work(answers: object, work: Callable[[Path, int], None], folder: Path, slides: int) -> None:
    began = time.monotonic()
    work(folder, slides)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PER_KIB / _MIB
    answers.put((peak, time.monotonic() - began))  # type: ignore[attr-defined]


def make_study(folder: Path, slides: int) -> None:
    """A study whose slides are signed off; its slides' files are too small to be images."""
    study = Study.create(folder / "study", ontology="breast")
    sources = folder / "sources"
    sources.mkdir()
    incoming = []
    for number in range(slides):
        path = sources / f"{number}.tif"
        path.write_bytes(number.to_bytes(8, "little"))
        incoming.append(IncomingSlide(path, patient=f"patient {number // 2}"))
    codes = [row.slide_id for row in study.add(incoming)]
    with Journal.open(study) as journal:
        for code in codes:
            drawn = list(outlines(code))
            journal.propose(drawn)
            journal.validate([one.id for one in drawn], author="R1")
            journal.sign_off(code, author="R1")


def outlines(code: str) -> Iterator[Annotation]:
    """The annotations of one slide."""
    for number in range(_ANNOTATIONS):
        disc = shapely.Point(100 * number, 500).buffer(40, quad_segs=_VERTICES_QUARTER)
        source = "model:unet@" + "ab" * 32
        yield Annotation(
            deterministic_id(code, str(number)),
            code,
            "nucleus_lymphocyte",
            disc,
            Origin.MODEL,
            "unet",
            confidence=0.5,
            derived_from=source,
        )


def build(folder: Path, slides: int) -> None:
    """Build an internal package."""
    from pathoai_annotations.package.approval import Approval
    from pathoai_annotations.package.build import build_package

    approval = Approval("DPO1", "data protection officer", date(2026, 1, 31))
    build_package(Study(folder / "study"), folder / "package", approval=approval)


def verify(folder: Path, slides: int) -> None:
    """Verify it.

    Raises:
        RuntimeError: It does not verify, or has not all slides.
    """
    from pathoai_annotations.package.verify import verify_package

    found = verify_package(folder / "package")
    if not found.ok or found.slides != slides:
        raise RuntimeError(f"{found.slides} slides, {found.findings[:1]}")


def report(rows: list[tuple[int, float, float, float, float]]) -> str:
    """The table in Markdown, with the ratio of the largest study to the smallest."""
    lines = [
        "# Memory of a package",
        "",
        f"`python benchmarks/package_memory.py {' '.join(str(row[0]) for row in rows)}`, "
        f"pathoai {__version__}, Python {platform.python_version()}. "
        f"{_ANNOTATIONS} annotations of {4 * _VERTICES_QUARTER} vertices on each slide; "
        "largest resident set of a process that does nothing else.",
        "",
        "| slides | build, MiB | build, s | verify, MiB | verify, s |",
        "|---|---|---|---|---|",
    ]
    for slides, built, build_s, verified, verify_s in rows:
        lines.append(
            f"| {slides} | {built:.0f} | {build_s:.1f} | {verified:.0f} | {verify_s:.1f} |"
        )
    first, last = rows[0], rows[-1]
    lines += [
        "",
        f"{last[0]} slides against {first[0]}: build {last[1] / first[1]:.2f} times the memory, "
        f"verify {last[3] / first[3]:.2f} times.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
