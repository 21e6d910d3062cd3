"""What a package holds, written slide by slide: of one slide at a time in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pathoai.progress import Advance
from pathoai.study.cohort import CohortRow
from pathoai.study.package_ledger import PackageRecord
from pathoai.study.study import Study
from pathoai_annotations.formats.geojson import write_geojson
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package import layout
from pathoai_annotations.package.changes import changes_since
from pathoai_annotations.package.csv_file import Row, write_table
from pathoai_annotations.package.deidentified_images import ImageCopies
from pathoai_annotations.package.derived import Derivation
from pathoai_annotations.package.entities import entity_rows
from pathoai_annotations.package.erasure import erasure_text
from pathoai_annotations.package.event_log import write_event_log
from pathoai_annotations.package.images import PackagedImage, images_by_reference
from pathoai_annotations.package.licence import Licence
from pathoai_annotations.package.loss_report import Losses, write_loss_report
from pathoai_annotations.package.models import write_model_cards
from pathoai_annotations.package.pictures import write_pictures
from pathoai_annotations.package.registrations import write_registrations
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.selection import Selection, SlideHistory, slide_history
from pathoai_annotations.package.shown_counts import PackageCounts
from pathoai_annotations.package.sign_offs import sign_off_rows
from pathoai_annotations.package.slide_files import SlideFiles, inputs_of
from pathoai_annotations.package.slides import describe_slide
from pathoai_annotations.package.study_tables import agreement_rows, split_rows
from pathoai_annotations.package.study_terms import StudyTerms
from pathoai_annotations.package.summary import PackageSummary, package_id_of
from pathoai_annotations.package.table import (
    AGREEMENT,
    ANNOTATIONS,
    ANNOTATORS,
    IMAGES,
    SIGN_OFFS,
    SLIDES,
    SPLITS,
)
from pathoai_annotations.package.tables import annotation_row
from pathoai_annotations.package.tally import Tally
from pathoai_annotations.package.vocabulary import write_classes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is said of a package before anything is written.

    Args:
        version: Of the data.
        licence: Of the data.
        title: One line.
        release: How far it may travel, and who exports it.
        terms: What the study says for catalogues.
        why: Reason for the version, where one was given.
    """

    version: str
    licence: Licence
    title: str
    release: Release
    terms: StudyTerms
    why: str | None


@dataclass(slots=True)
class PayloadWork:
    """The payload of a package under way.

    Args:
        study: The study.
        journal: Of the study.
        folder: The staged folder.
        selection: What goes into the package.
        plan: What is said of it.
        copies: De-identified slides; none where no image goes into the package.
    """

    study: Study
    journal: Journal
    folder: Path
    selection: Selection
    plan: Plan
    copies: ImageCopies | None = None
    digests: dict[str, str] = field(default_factory=dict)
    """Slide → SHA-256 of its annotations, of slides that are written."""
    losses: dict[str, Losses] = field(default_factory=dict)
    """Slide → what its derived forms lost, likewise."""

    @property
    def _payload(self) -> Path:
        return self.folder / layout.PAYLOAD

    def write(self, audits: tuple[str, ...], advance: Advance) -> PackageSummary:
        """Write annotations, images and tables.

        Args:
            audits: Keys of the markers whose labels were audited.
            advance: Told of slides done and slides in all.

        Returns:
            What the package says of itself; its descriptions are made from nothing else.
        """
        files = SlideFiles(self.folder, self.selection.slide_ids)
        tally = Tally()
        write_table(self._payload, ANNOTATIONS, self._annotations(files, tally, advance))
        files.forget()
        if self.copies is not None:
            self.copies.put_into(self._payload)
            write_pictures(self._payload, self.study, self.copies)
        write_loss_report(self._payload, self.losses)
        summary = self._summary(tally, audits)
        self._write_tables(summary)
        write_model_cards(self._payload, self.study, summary.models, summary.tier)
        write_registrations(self._payload, self.study, self.digests.keys())
        release = json.dumps(self.plan.release.to_json(), indent=1, sort_keys=True) + "\n"
        self._write_text(layout.RELEASE, release)
        self._write_text(layout.ERASURE, erasure_text(self.study))
        self._write_text(layout.CHANGES, summary.changes.text())
        return summary

    def record(self, summary: PackageSummary, manifest_sha256: str) -> PackageRecord:
        """What the study keeps of the package."""
        patients = sorted({slide.case_id for slide in summary.slides if slide.case_id})
        return PackageRecord(
            summary.version,
            summary.tier.value,
            manifest_sha256,
            summary.day.isoformat(),
            self.digests,
            tuple(patients),
            summary.changes.why,
        )

    def _annotations(self, files: SlideFiles, tally: Tally, advance: Advance) -> Iterator[Row]:
        ontology, count = self.study.ontology, len(self.selection.slide_ids)
        settings = (ontology.key, ontology.version)
        for done, slide_id in enumerate(self.selection.slide_ids, start=1):
            history = slide_history(self.journal, slide_id, self.selection)
            tally.add(history.annotations, (event.author for event in history.events))
            writer = self._writer(history)
            inputs = inputs_of(history, *settings, *writer.derivation.settings)
            written = files.write(slide_id, inputs, writer)
            self.digests[slide_id] = written.files[layout.geojson_name(slide_id)]
            self.losses[slide_id] = written.losses
            yield from map(annotation_row, history.annotations)
            advance(done, count)

    def _writer(self, history: SlideHistory) -> _SlideWriter:
        derivation = Derivation.of(self.study, history.slide_id, self.plan.release.tier)
        return _SlideWriter(self._payload, history, self.study, derivation)

    def _summary(self, tally: Tally, audits: tuple[str, ...]) -> PackageSummary:
        plan, cohort, tier = self.plan, self.study.cohort, self.plan.release.tier
        counts = PackageCounts.of(tally, tier)
        rows = [cohort[slide_id] for slide_id in self.selection.slide_ids]
        return PackageSummary(
            package_id=package_id_of(self.study),
            title=plan.title,
            version=plan.version,
            licence=plan.licence,
            release=plan.release,
            terms=plan.terms,
            ontology=self.study.ontology,
            slides=tuple(
                describe_slide(self.study, row, counts.by_slide[row.slide_id], tier) for row in rows
            ),
            images=self._images(rows),
            counts=counts,
            demonstration=tally.by_demonstration,
            started=self.selection.started,
            ended=self.selection.ended,
            changes=changes_since(self.study, plan.version, tier, self.digests, plan.why),
            audits=audits,
            models={model: tuple(sorted(tally.models[model])) for model in sorted(tally.models)},
        )

    def _images(self, rows: list[CohortRow]) -> tuple[PackagedImage, ...]:
        if self.copies is not None:
            return self.copies.images
        tier = self.plan.release.tier
        return tuple(image for row in rows for image in images_by_reference(row, tier))

    def _write_tables(self, summary: PackageSummary) -> None:
        slides = [slide.row() for slide in summary.slides]
        for table, rows in entity_rows(slides, summary.tier):
            write_table(self._payload, table, rows)
        write_table(self._payload, SLIDES, slides)
        write_table(self._payload, IMAGES, (image.row() for image in summary.images))
        write_table(self._payload, ANNOTATORS, summary.counts.annotators)
        signed = sign_off_rows(self.study, self.journal, self.selection)
        write_table(self._payload, SIGN_OFFS, signed)
        write_table(self._payload, AGREEMENT, agreement_rows(self.study))
        write_table(self._payload, SPLITS, split_rows(self.study, self.digests.keys()))
        write_classes(self._payload / layout.CLASSES, summary.ontology)

    def _write_text(self, name: str, text: str) -> None:
        path = self._payload / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf8", newline="\n")


@dataclass(frozen=True, slots=True)
class _SlideWriter:
    """Writes the files of one slide, and says which, and what derived forms lost."""

    payload: Path
    history: SlideHistory
    study: Study
    derivation: Derivation

    def __call__(self) -> tuple[tuple[str, ...], Losses]:
        slide_id = self.history.slide_id
        outlines, edits = layout.geojson_name(slide_id), layout.journal_name(slide_id)
        (self.payload / outlines).parent.mkdir(parents=True, exist_ok=True)
        write_geojson(self.payload / outlines, self.history.annotations, self.study.ontology)
        write_event_log(self.payload / edits, self.history.events)
        last_edit = self.history.events[-1].at
        context = self.derivation.context(slide_id, self.study.ontology, last_edit)
        derived = self.derivation.write(self.payload, self.history.annotations, context)
        return (outlines, edits, *derived[0]), derived[1]
