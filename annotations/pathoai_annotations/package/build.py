"""Building a package: everything is written beside its place, verified, then renamed into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pathoai.errors import PackageError
from pathoai.progress import Advance, silent
from pathoai.study.study import Study
from pathoai_annotations.formats.geojson import write_geojson
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package import layout
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.audits import audits_of, last_audit, write_audits
from pathoai_annotations.package.bag import write_bag
from pathoai_annotations.package.csv_file import Row, write_csv
from pathoai_annotations.package.event_log import write_event_log
from pathoai_annotations.package.landing_page import landing_page
from pathoai_annotations.package.licence import find_licence
from pathoai_annotations.package.readme import licence_text, readme_text
from pathoai_annotations.package.ro_crate import write_metadata
from pathoai_annotations.package.selection import Selection, select, slide_history
from pathoai_annotations.package.slides import SLIDE_COLUMNS, describe_slide
from pathoai_annotations.package.staging import check_place, publish, staged
from pathoai_annotations.package.summary import (
    PackageSummary,
    check_version,
    one_line,
    package_id_of,
)
from pathoai_annotations.package.tables import (
    ANNOTATION_COLUMNS,
    ANNOTATOR_COLUMNS,
    annotation_row,
    annotator_row,
)
from pathoai_annotations.package.tally import Tally
from pathoai_annotations.package.verify import verify_package
from pathoai_annotations.package.vocabulary import write_classes
from pathoai_annotations.record import SlideRecord

_FINDINGS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A package, and what had to stay in the study.

    Args:
        path: The folder.
        waiting: Slides, of which what readers stand behind waits for their sign-offs.
    """

    path: Path
    waiting: tuple[SlideRecord, ...]


def build_package(
    study: Study,
    out: Path,
    *,
    approval: Approval,
    version: str = "1.0.0",
    licence: str = "CC-BY-4.0",
    title: str | None = None,
    advance: Advance = silent,
) -> BuiltPackage:
    """Package the annotations of record of a study: RO-Crate 1.3 in a BagIt 1.0 bag.

    All dates come from the approval and the journal, so that an unchanged study gives the same
    bytes again. A package of the same study at ``out`` is replaced.

    Args:
        study: The study.
        out: The folder to make.
        approval: Who lets the package leave, and when objections were applied.
        version: Of the data, three numbers.
        licence: SPDX identifier.
        title: One line; the study's own where not given.
        advance: Told of slides done and slides in all.

    Returns:
        Where it is, and what was left out.

    Raises:
        PackageError: Nothing is validated and signed off, an annotation's slide is not in the
            cohort, ``out`` holds something else, the approval is older than the last edit, or the
            finished package does not verify (e.g. the title holds an e-mail address).
        StudyError: The audit of a marker's labels is damaged.
        OntologyError: The study's ontology lacks a class that an annotation has.
        OSError: The disk is full or read-only; nothing is left at ``out`` that was not there.
    """
    terms = find_licence(licence)
    check_version(version)
    name = one_line(study.sheet.title if title is None else title)
    package_id = package_id_of(study)
    check_place(out, package_id)
    with Journal.open(study) as journal, staged(out) as folder:
        cohort = study.cohort
        selection = select(journal, cohort)
        audits = audits_of(study, journal)
        settled = approval.settled(last_audit(audits, selection.last_edit))
        tally = _write_annotations(folder, study, journal, selection, advance)
        summary = PackageSummary(
            package_id,
            name,
            version,
            terms,
            settled,
            study.ontology,
            tuple(describe_slide(study, cohort[i], tally.by_slide[i]) for i in selection.slide_ids),
            tally,
            selection.started,
            selection.ended,
            tuple(one.marker for one in audits),
        )
        write_audits(folder / layout.PAYLOAD, audits)
        _write_descriptions(folder, summary)
        write_metadata(folder, summary)
        write_bag(folder, summary)
        _refuse_findings(folder)
        publish(folder, out)
    return BuiltPackage(out, selection.waiting)


def _write_annotations(
    folder: Path, study: Study, journal: Journal, selection: Selection, advance: Advance
) -> Tally:
    payload, tally, ontology = folder / layout.PAYLOAD, Tally(), study.ontology

    def rows() -> Iterator[Row]:
        for done, slide_id in enumerate(selection.slide_ids, start=1):
            history = slide_history(journal, slide_id, selection)
            tally.add(history.annotations, (event.author for event in history.events))
            write_geojson(payload / layout.geojson_name(slide_id), history.annotations, ontology)
            write_event_log(payload / layout.journal_name(slide_id), history.events)
            yield from map(annotation_row, history.annotations)
            advance(done, len(selection.slide_ids))

    (payload / layout.GEOJSON_FOLDER).mkdir(parents=True)
    write_csv(payload / layout.ANNOTATIONS, ANNOTATION_COLUMNS, rows())
    return tally


def _write_descriptions(folder: Path, summary: PackageSummary) -> None:
    payload = folder / layout.PAYLOAD
    write_csv(payload / layout.SLIDES, SLIDE_COLUMNS, (s.row() for s in summary.slides))
    annotators = summary.tally.annotators
    write_csv(payload / layout.ANNOTATORS, ANNOTATOR_COLUMNS, map(annotator_row, annotators))
    write_classes(payload / layout.CLASSES, summary.ontology)
    approval = json.dumps(summary.approval.to_json(), indent=1, sort_keys=True) + "\n"
    texts = {
        layout.APPROVAL: approval,
        layout.README: readme_text(summary),
        layout.LICENCE: licence_text(summary.licence),
        layout.LANDING_PAGE: landing_page(summary),
    }
    for name, text in texts.items():
        path = payload / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf8", newline="\n")


def _refuse_findings(folder: Path) -> None:
    findings = verify_package(folder).findings
    if findings:
        shown = "; ".join(f"{f.where}: {f.what}" for f in findings[:_FINDINGS_SHOWN])
        more = len(findings) - _FINDINGS_SHOWN
        raise PackageError(
            "the package would not verify, so it was not made",
            found=shown + (f" and {more} more" if more > 0 else ""),
            remedy=findings[0].remedy,
        )
