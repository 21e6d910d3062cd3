"""Do masks, DICOM files and the loss report follow from the GeoJSON of their slides?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathoai.errors import PackageError, PathoaiError
from pathoai.geometry import Mpp, Size
from pathoai.ontology import Ontology
from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import ReadingContext, WritingContext
from pathoai_annotations.formats.dicom_slide import has_highdicom
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.geojson import read_geojson
from pathoai_annotations.formats.ome_zarr_labels import tell_hidden
from pathoai_annotations.formats.raster_grid import paintable, raster_grid
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import payload_files
from pathoai_annotations.package.check_dicom import DicomCheck
from pathoai_annotations.package.check_masks import MaskCheck
from pathoai_annotations.package.csv_file import Row, read_table
from pathoai_annotations.package.derived import Derivation
from pathoai_annotations.package.dicom_parts import dicom_losses
from pathoai_annotations.package.event_log import EventLog
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.loss_report import (
    DICOM_FORMS,
    NO_DICOM,
    NOT_TILED,
    Form,
    FormLosses,
    Losses,
    derived_name,
    lost_by,
    not_written,
    read_loss_report,
)
from pathoai_annotations.package.parts import store_of
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.table import SLIDES
from pathoai_annotations.package.vocabulary import read_classes
from pathoai_annotations.slide_frame import SlideFrame

_NOBODY = "nobody"
_WRITTEN: FormLosses = {"written": True}
"""Of a mask whose pixels could not be compared: nobody knows what it hides."""
_FOLDERS = (f"{layout.MASK_FOLDER}/", f"{layout.DICOM_FOLDER}/")


def check_derived(root: Path) -> Iterator[Finding]:
    """Compare all derived forms with the outlines, a slide at a time.

    What cannot be read of GeoJSON, tables and logs is told by the check of the annotations.
    """
    try:
        ontology = read_classes(root / layout.PAYLOAD / layout.CLASSES)
        slides, tier = read_table(root, SLIDES), Release.read(root).tier
    except PackageError:
        return
    try:
        stated = read_loss_report(root)
    except PackageError as error:
        yield Finding(error.what, f"{layout.PAYLOAD}/{layout.LOSSES}")
        return
    there = {store_of(name) or name for name in payload_files(root) if name.startswith(_FOLDERS)}
    outlined = layout.geojson_files(root)
    for row in slides:
        slide_id = row["slide_id"]
        if slide_id not in outlined:  # no code, as it may be: its files are not looked for
            continue
        try:
            derivation = Derivation(_frame(row), tier)
            check = _SlideCheck(root, slide_id, ontology, derivation, stated.get(slide_id, {}))
            yield from check.run(there)
        except (PathoaiError, ValueError):
            continue  # told by the check of the annotations
    yield from _strangers(there, slides, stated)


def dicom_was_read(root: Path) -> bool:
    """False where a package has DICOM files, and nothing is installed that could read them."""
    return has_highdicom() or not any((root / layout.PAYLOAD / layout.DICOM_FOLDER).glob("*"))


def _frame(row: Row) -> SlideFrame | None:
    if not row["width_px"]:
        return None
    size = Size(int(row["width_px"]), int(row["height_px"]))
    return SlideFrame(size, Mpp(float(row["mpp_x"]), float(row["mpp_y"])))


def _strangers(
    there: set[str], slides: list[Row], stated: Mapping[str, Losses]
) -> Iterator[Finding]:
    codes = {row["slide_id"] for row in slides}
    known = {derived_name(code, form) for code in codes for form in Form}
    for name in sorted(there - known):
        yield Finding("derived from a slide that the package does not hold", _payload(name))
    if set(stated) != codes:
        yield Finding(
            "the loss report is not about the slides of the package", _payload(layout.LOSSES)
        )


def _payload(name: str) -> str:
    return f"{layout.PAYLOAD}/{name}"


@dataclass(frozen=True, slots=True)
class _SlideCheck:
    """The check of what was derived from the outlines of one slide."""

    root: Path
    slide_id: str
    ontology: Ontology
    derivation: Derivation
    stated: Losses

    def run(self, there: set[str]) -> Iterator[Finding]:
        """Compare, and work out again what was lost.

        Raises:
            PathoaiError: The outlines or their log cannot be read.
        """
        payload = self.root / layout.PAYLOAD
        reading = ReadingContext(self.slide_id, self.ontology, _NOBODY, trust_metadata=True)
        annotations = list(read_geojson(payload / layout.geojson_name(self.slide_id), reading))
        log = EventLog(payload / layout.journal_name(self.slide_id))
        context = self.derivation.context(self.slide_id, self.ontology, log.ended)
        losses = self._dicom_losses(annotations, context)
        names = {form: derived_name(self.slide_id, form) for form in Form}
        yield from _presence(losses, names, there)
        if names[Form.MASK] in there and self.derivation.frame is not None:
            yield from self._mask(annotations, context, self.derivation.frame, losses)
        if has_highdicom():
            check = DicomCheck(annotations, context, self.derivation.tier)
            for form in DICOM_FORMS:
                if losses[form]["written"] and names[form] in there:
                    yield from check.run(form, payload / names[form], _payload(names[form]))
        yield from self._compare(losses)

    def _dicom_losses(self, annotations: Sequence[Annotation], context: WritingContext) -> Losses:
        """What there must be, and what it loses; of a mask that is worked out pixel by pixel."""
        if self.derivation.frame is None:
            return {form: not_written(NOT_TILED) for form in Form}
        tier, without = self.derivation.tier, not_written(NO_DICOM)
        is_without = all(self.stated.get(form) == without for form in DICOM_FORMS)
        if is_without and not tier.is_published:
            dicom: Losses = dict.fromkeys(DICOM_FORMS, without)
        else:
            dicom = dicom_losses(annotations, context, tier)
        return {Form.MASK: _WRITTEN} | dicom

    def _mask(
        self,
        annotations: Sequence[Annotation],
        context: WritingContext,
        frame: SlideFrame,
        losses: Losses,
    ) -> Iterator[Finding]:
        name, report = derived_name(self.slide_id, Form.MASK), ExchangeReport(Form.MASK)
        grid = raster_grid(frame, context.corner, context.mpp)
        paints = paintable(annotations, context.placement(), grid, report)
        store = self.root / layout.PAYLOAD / name
        check = MaskCheck(store, _payload(name), paints, grid, frame, context)
        findings = check.run()
        yield from findings
        tell_hidden(paints, check.seen, grid.downsample_x * frame.mpp.mean, report)
        if not findings:
            losses[Form.MASK] = lost_by(report, self.derivation.tier)

    def _compare(self, losses: Losses) -> Iterator[Finding]:
        for form in Form:
            wanted, said = losses[form], self.stated.get(form, {})
            is_same = said.get("written") is True if wanted == _WRITTEN else said == wanted
            if not is_same:
                yield Finding(
                    f"the loss report does not say what the {form.value} of slide "
                    f"{self.slide_id} lost",
                    _payload(layout.LOSSES),
                )


def _presence(losses: Losses, names: Mapping[Form, str], there: set[str]) -> Iterator[Finding]:
    for form, name in names.items():
        if losses[form]["written"] and name not in there:
            yield Finding("a derived form of the outlines is missing", _payload(name))
        if not losses[form]["written"] and name in there:
            yield Finding("a derived form that could not have been made", _payload(name))
