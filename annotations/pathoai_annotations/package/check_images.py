"""Are the images those that were de-identified, pixel by pixel, and nothing beside them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pathoai.errors import PackageError, PathoaiError
from pathoai.progress import Advance, silent
from pathoai.strict_json import read_json
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import payload_files, read_manifest
from pathoai_annotations.package.csv_file import read_table
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.images import PackagedImage, Report, images_of
from pathoai_annotations.package.plain_png import LONGEST_SIDE_PX, plain_png_size
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.table import IMAGES, SLIDES

_KEEP_BACK = "do not pass the package on; build it again from its study"
_REPORT = f"{layout.PAYLOAD}/{layout.DEID_REPORT}"


@dataclass(slots=True)
class ImageCheck:
    """What the images of a package are, as far as they could be looked at.

    Args:
        root: The bag's folder.
        pixels: Whether they are decoded and compared with what was de-identified; who has just
            compared them need not do so again.
        advance: Told of slides whose pixels were compared, and slides in all.
    """

    root: Path
    pixels: bool = True
    advance: Advance = silent
    notes: list[str] = field(default_factory=list)
    """What was not looked at, and why."""

    def run(self) -> list[Finding]:
        """Check everything."""
        try:
            claims = Release.read(self.root).holds_images
            slides = {row["slide_id"] for row in read_table(self.root, SLIDES)}
            manifest = read_manifest(self.root)
        except PackageError:
            return []  # told by the checks of files and of annotations
        try:
            reports = read_reports(self.root)
            listed = {s: list(images_of(s, report)) for s, report in reports.items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return [Finding("the report on de-identification cannot be read", _REPORT)]
        disk = {n: p for n, p in payload_files(self.root).items() if n.startswith(_FOLDERS)}
        if not claims:
            return [_unclaimed(name) for name in sorted({*disk, *_report_of(reports)})]
        findings = [
            *_compare_slides(slides, reports, disk),
            *_compare_files(disk, manifest, listed),
            *self._compare_table(listed),
            *_check_pictures(disk, reports),
        ]
        # Pixels of a file that is not the one of the report would only repeat what is told.
        return findings or list(self._compare_slides_with_reports(reports))

    def _compare_table(self, listed: Mapping[str, Sequence[PackagedImage]]) -> Iterator[Finding]:
        try:
            found = read_table(self.root, IMAGES)
        except PackageError as error:
            yield Finding(error.what, f"{layout.PAYLOAD}/{IMAGES.path}")
            return
        if found != [image.row() for slide_id in sorted(listed) for image in listed[slide_id]]:
            yield Finding(
                "does not agree with the report on de-identification",
                f"{layout.PAYLOAD}/{IMAGES.path}",
            )

    def _compare_slides_with_reports(self, reports: Mapping[str, Report]) -> Iterator[Finding]:
        unread = sum(_cannot_be_read_here(report) for report in reports.values())
        if unread:
            self.notes.append(
                f"pixels of {unread} slides were not compared: they are DICOM, and pydicom is not "
                "installed; install pathoai[dicom] and verify again"
            )
        for done, (slide_id, report) in enumerate(sorted(reports.items()), start=1):
            if not _cannot_be_read_here(report):
                where = f"{layout.PAYLOAD}/{layout.image_folder(slide_id)}"
                yield from self._compare_slide(where, report)
            self.advance(done, len(reports))

    def _compare_slide(self, where: str, report: Report) -> Iterator[Finding]:
        # Readers are heavy, and needed only where there are images.
        from pathoai.deidentify.deidentify_slide import level_hashes
        from pathoai.slide.open_slide import describe_slide

        path = self.root / where / report["opens"]
        try:
            found = describe_slide(path)
            if found.associated_images:
                yield Finding("the image holds pictures beside the slide", where, _KEEP_BACK)
            sizes = [(v.size_px.width, v.size_px.height) for v in found.levels]
            if found.vendor != report["kind"] or sizes != _sizes(report):
                yield Finding("the image is not as its report describes it", where)
            elif self.pixels and level_hashes(path) != _tiles(report):
                yield Finding("pixels are not those that were de-identified", where, _KEEP_BACK)
        except PathoaiError as error:
            yield Finding(f"the image cannot be read: {error.what}", where)


_FOLDERS = (f"{layout.IMAGE_FOLDER}/", f"{layout.PICTURE_FOLDER}/")


def read_reports(root: Path) -> dict[str, dict[str, Any]]:
    """Slide → report, whose parts are all there; empty where there is no report.

    Raises:
        OSError: It cannot be read.
        ValueError: It is malformed.
        LookupError: A part is missing.
    """
    try:
        reports: dict[str, dict[str, Any]] = read_json(root / _REPORT)["slides"]
    except FileNotFoundError:
        return {}
    for slide_id, report in reports.items():
        opens, files = report["opens"], report["files"]
        is_inside = any(name == opens or name.startswith(f"{opens}/") for name in files)
        _tiles(report), _sizes(report), report["kind"]
        if report["code"] != slide_id or report["looked_for"]["found"] != 0 or not is_inside:
            raise ValueError("a report that contradicts itself")
    return reports


def _tiles(report: Report) -> tuple[str, ...]:
    return tuple(level["tiles_sha256"] for level in report["levels"])


def _sizes(report: Report) -> list[tuple[int, int]]:
    return [(level["width"], level["height"]) for level in report["levels"]]


def _report_of(reports: Mapping[str, Report]) -> tuple[str, ...]:
    return (layout.DEID_REPORT,) if reports else ()


def _unclaimed(name: str) -> Finding:
    return Finding(
        "in a package that says that it holds no images", f"{layout.PAYLOAD}/{name}", _KEEP_BACK
    )


def _compare_slides(
    slides: set[str], reports: Mapping[str, Report], disk: Mapping[str, Path]
) -> Iterator[Finding]:
    on_disk = {name.split("/")[1] for name in disk if name.startswith(_FOLDERS[0])}
    for code in sorted({*on_disk, *reports} - slides):
        yield Finding(
            "an image of a slide that is not in the package",
            f"{layout.PAYLOAD}/{layout.image_folder(code)}" if code in on_disk else _REPORT,
            _KEEP_BACK,
        )
    missing = sorted(slides - on_disk)
    if missing:
        yield Finding(
            f"the package says that it holds images, and lacks those of {len(missing)} slides",
            f"{layout.PAYLOAD}/{layout.image_folder(missing[0])}",
        )


def _compare_files(
    disk: Mapping[str, Path],
    manifest: Mapping[str, str],
    listed: Mapping[str, Sequence[PackagedImage]],
) -> Iterator[Finding]:
    """Files of images and what the report says of them; the manifest is compared with the disk."""
    stated = {image.path: image.sha256 for images in listed.values() for image in images}
    found = {name for name in disk if name.startswith(_FOLDERS[0])}
    for name in sorted({*found, *stated}):
        where = f"{layout.PAYLOAD}/{name}"
        if name not in stated:
            yield Finding("an image that no report on de-identification names", where, _KEEP_BACK)
        elif name not in found:
            yield Finding("the report on de-identification names a file that is missing", where)
        elif manifest.get(where, stated[name]) != stated[name]:
            yield Finding("the image is not the file that was de-identified", where, _KEEP_BACK)


def _check_pictures(disk: Mapping[str, Path], reports: Mapping[str, Report]) -> Iterator[Finding]:
    found = {name: path for name, path in disk.items() if name.startswith(_FOLDERS[1])}
    expected = {layout.picture_name(slide_id) for slide_id in reports}
    for name in sorted({*found, *expected}):
        where = f"{layout.PAYLOAD}/{name}"
        if name not in expected:
            yield Finding("a picture of a slide that has no image in the package", where)
        elif name not in found:
            yield Finding("the picture of a slide is missing", where)
        elif not _is_plain(found[name]):
            yield Finding("not a plain small picture: more than pixels is in it", where, _KEEP_BACK)


def _is_plain(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return True  # told by the check of the files
    largest = LONGEST_SIDE_PX * (LONGEST_SIDE_PX + 1) * 4
    data = path.read_bytes() if path.stat().st_size <= largest else b""
    return plain_png_size(data) is not None


def _cannot_be_read_here(report: Report) -> bool:
    return report["kind"] == "dicom" and find_spec("pydicom") is None
