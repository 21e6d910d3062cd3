"""The study folder: where everything lies, and how slides enter it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import tomli_w

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import InvalidValueError, MissingFileError, StudyError
from pathoai.ontology import Ontology, load_ontology, shipped_ontologies
from pathoai.privacy.link_table import LinkTable
from pathoai.privacy.pseudonym import code, coded_term, load_or_create_key, vault_folder
from pathoai.provenance import sha256_of_path, utc_now
from pathoai.study.cohort import Cohort, CohortRow, IncomingSlide
from pathoai.study.erased import refuse_erased
from pathoai.study.grade import check_grades
from pathoai.study.known_spelling import refuse_other_spellings
from pathoai.study.slide_place import SlidePlace, table_name
from pathoai.study.study_sheet import SHEET, StudySheet, read_sheet

_OWN_ONTOLOGY = "ontology.yaml"


class Study:
    """An existing study.

    Args:
        path: The folder.

    Raises:
        MissingFileError: The folder does not exist.
        StudyError: It is no study, or its sheet is malformed.
    """

    def __init__(self, path: Path) -> None:
        """Read the sheet; nothing else is opened."""
        self.path = path
        if not path.exists():
            raise MissingFileError(
                "no such study", where=path.name, remedy="make one with `pathoai init STUDY`"
            )
        if not (path / SHEET).is_file():
            raise StudyError(
                f"not a study: there is no {SHEET} in it",
                where=path.name,
                remedy="make a study with `pathoai init STUDY`",
            )
        self.sheet = read_sheet(path / SHEET)

    @classmethod
    def create(cls, path: Path, *, ontology: str, title: str = "", **sheet: str) -> Study:
        """Make a study in a new or empty folder; an existing study of the same ontology is kept.

        Raises:
            OntologyError: The ontology is unknown.
            StudyError: The folder holds something else, or a study with another ontology.
        """
        wanted = load_ontology(ontology)
        if (path / SHEET).is_file():
            existing = cls(path)
            if existing.ontology != wanted:
                raise StudyError(
                    "the study exists with another ontology",
                    where=path.name,
                    found=f"{existing.ontology.key} {existing.ontology.version}",
                    allowed=f"{wanted.key} {wanted.version}",
                    remedy="choose another folder",
                )
            return existing
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise StudyError(
                "the folder is not empty and holds no study"
                if path.is_dir()
                else "a file lies where the study shall be",
                where=path.absolute().name,
                remedy="choose another folder",
            )
        path.mkdir(parents=True, exist_ok=True)
        name = ontology if ontology in shipped_ontologies() else _OWN_ONTOLOGY
        if name == _OWN_ONTOLOGY:
            # A copy: the study must not change, nor break, with a file elsewhere.
            write_text_atomically(path / name, Path(ontology).read_text("utf8"))
        content = StudySheet(str(uuid.uuid4()), title or path.name, name, utc_now(), **sheet)
        write_text_atomically(path / SHEET, tomli_w.dumps({"study": asdict(content)}))
        return cls(path)

    @property
    def ontology(self) -> Ontology:
        """The classes of the study.

        Raises:
            OntologyError: The sheet names an unknown ontology.
        """
        own = self.path / self.sheet.ontology
        return load_ontology(own if own.suffix == ".yaml" else self.sheet.ontology)

    @property
    def vault(self) -> Path:
        """The folder outside the study that holds its key and link table."""
        vault = vault_folder(self.sheet.uuid)
        if vault.resolve().is_relative_to(self.path.resolve()):
            raise StudyError(
                "the key must lie outside the study",
                where="PATHOAI_VAULT",
                remedy="point PATHOAI_VAULT at a folder that is not inside the study",
            )
        return vault

    @property
    def cohort(self) -> Cohort:
        """The coded slides, as they are on disk now."""
        path = self.path / "cohort.csv"
        return Cohort.read(path) if path.exists() else Cohort()

    def add(self, slides: Iterable[IncomingSlide]) -> list[CohortRow]:
        """Code slides and enter them; the same file is the same slide however often it is added.

        A slide's code is made from its content, so neither its name nor its place matters; a folder
        of DICOM files, or an OME-Zarr, is one slide.

        Raises:
            MissingFileError: A slide's file does not exist; none of them is entered.
            OntologyError: A grade is no class of the ontology.
            StudyError: The study has slides, but its key is not here; or one is of somebody who was
                taken out of the study; or the study has a patient, block or centre by the code of
                another spelling.
        """
        incoming = list(slides)
        check_grades(self.ontology, (slide.grade for slide in incoming))
        for number, slide in enumerate(incoming, start=1):
            if not slide.path.exists():
                raise MissingFileError("no such slide file", where=f"slide {number}")
        refuse_other_spellings(self, incoming)
        known = self.cohort
        key = load_or_create_key(self.vault, may_create=not len(known))
        rows = [_coded(key, slide) for slide in incoming]
        refuse_erased(self.path, rows)
        LinkTable(self.vault).update(
            {row.slide_id: slide.path for row, slide in zip(rows, incoming, strict=True)}
        )
        cohort = known.merged(rows)
        cohort.write(self.path / "cohort.csv")
        return [cohort[row.slide_id] for row in rows]

    def source_of(self, slide_id: str) -> Path:
        """Where the source file of a slide lies, from the link table outside the study.

        Raises:
            StudyError: The study has no such slide.
            MissingFileError: The file has moved.
        """
        return LinkTable(self.vault).path_of(self.cohort[slide_id].slide_id)

    def place(self, slide_id: str) -> SlidePlace:
        """Where all that is made of one slide lies or will lie.

        Raises:
            OntologyError: The sheet names an unknown ontology.
        """
        return SlidePlace(
            slide_id,
            self.store_path(slide_id),
            self._objects_folder(slide_id),
            self.figures_path(slide_id),
            self.no_tissue_path(slide_id),
            self.provenance_path,
            self.ontology,
            self.path,
        )

    def store_path(self, slide_id: str) -> Path:
        """Where the slide's store lies or will lie."""
        return self.path / "stores" / f"{slide_id}.zarr"

    def objects_path(self, slide_id: str, label_name: str) -> Path:
        """Where the objects (GeoParquet) of one of the slide's labels lie or will lie."""
        return self._objects_folder(slide_id) / table_name(label_name)

    def _objects_folder(self, slide_id: str) -> Path:
        return self.path / "objects" / slide_id

    def report_path(self, slide_id: str, label_name: str) -> Path:
        """Where the report (JSON) on a slide's prediction lies or will lie, beside its objects."""
        return self.objects_path(slide_id, label_name).with_suffix(".json")

    def queue_path(self, model: str) -> Path:
        """Where the table of what is to be seen next lies or will lie."""
        return self.path / "queue" / f"{model}.csv"

    def audit_path(self, marker: str) -> Path:
        """The folder of the audit of a marker's labels: its tiles, their sheet, the precision."""
        return self._audits_folder / marker

    @property
    def audited_markers(self) -> tuple[str, ...]:
        """Keys of the markers whose labels were audited, sorted."""
        return tuple(sorted(p.parent.name for p in self._audits_folder.glob("*/tiles.json")))

    @property
    def _audits_folder(self) -> Path:
        return self.path / "audits"

    def model_path(self, name: str) -> Path:
        """Where a model bundle lies or will lie.

        Raises:
            InvalidValueError: The name is none.
        """
        if not name or name != Path(name).name or name.startswith("."):
            raise InvalidValueError(
                "a model of a study is named by one word, not by a path",
                found=repr(name),
                remedy="name it as its folder in the study's `models` is called",
            )
        return self.path / "models" / name

    @property
    def evaluations_path(self) -> Path:
        """The folder of evaluation reports."""
        return self.path / "evaluations"

    def evaluation_path(self, model: str, subset: str) -> Path:
        """The folder of the report of a model on a subset."""
        return self.evaluations_path / model / subset

    def predictions_path(self, model: str) -> Path:
        """Where the table of what a model says of whole slides lies or will lie."""
        return self.path / "predictions" / f"{model}.csv"

    def no_tissue_path(self, slide_id: str) -> Path:
        """Where the thumbnail (PNG) of a slide lies in which no tissue was found."""
        return self.path / "overview" / f"{slide_id}-no-tissue.png"

    @property
    def quality_path(self) -> Path:
        """The folder of quality sheets, and of the table of all slides."""
        return self.path / "quality"

    def quality_sheet_path(self, slide_id: str) -> Path:
        """Where the quality sheet (PNG) of a slide lies or will lie."""
        return self.quality_path / f"{slide_id}.png"

    def figures_path(self, slide_id: str) -> Path:
        """The folder of figures drawn of a slide."""
        return self.path / "figures" / slide_id

    def registration_path(self, fixed_id: str, moving_id: str) -> Path:
        """Where the transform (NPZ) between an H&E slide and its twin lies or will lie."""
        return self._registration_folder / f"{fixed_id}--{moving_id}.npz"

    @property
    def _registration_folder(self) -> Path:
        return self.path / "registration"

    @property
    def journal_path(self) -> Path:
        """The SQLite file of the annotation journal, where the sheet names no database."""
        return self.path / "journal.sqlite"

    @property
    def has_journal(self) -> bool:
        """True where there is something to open; opening what is not there would make it."""
        return bool(self.sheet.journal) or self.journal_path.is_file()

    @property
    def readers_path(self) -> Path:
        """The folder that says who reads what."""
        return self.path / "readers"

    @property
    def agreement_path(self) -> Path:
        """The folder of the report on how far readers agree."""
        return self.path / "agreement"

    @property
    def provenance_path(self) -> Path:
        """The folder of provenance records."""
        return self.path / "provenance"

    @property
    def splits_path(self) -> Path:
        """The folder of training splits."""
        return self.path / "splits"

    def derived_copies(self, slide_id: str) -> list[Path]:
        """Everything in the study made from one slide, so that an erasure can reach all of it."""
        candidates = (
            self.store_path(slide_id),
            self._objects_folder(slide_id),
            self.path / "overview" / f"{slide_id}.png",
            self.quality_sheet_path(slide_id),
            self.figures_path(slide_id),
            self.no_tissue_path(slide_id),
            # Of pairs in which the slide is either one: transforms, and pictures of them.
            *sorted(self._registration_folder.glob(f"*{slide_id}*")),
            # What interrupted runs left beside the store.
            *sorted(self.store_path(slide_id).parent.glob(f".{slide_id}.*")),
        )
        named = (*self._reports_on(slide_id), *self._queues_with(slide_id))
        return [path for path in (*candidates, *named) if path.exists()]

    def _reports_on(self, slide_id: str) -> list[Path]:
        """Reports, as folders, and tables that hold what was said of the slide."""
        reports = sorted(
            [
                *self.evaluations_path.glob("*/*/report.json"),
                *self.agreement_path.glob("*.json"),
                *self._audits_folder.glob("*/tiles.json"),
            ]
        )
        tables = sorted((self.path / "predictions").glob("*.csv"))
        return [
            file if file.suffix == ".csv" else file.parent
            for file in (*reports, *tables)
            if slide_id in file.read_text("utf8")
        ]

    def _queues_with(self, slide_id: str) -> list[Path]:
        """Tables of what is to be seen next that name regions of the slide."""
        queues = sorted(self.queue_path("any").parent.glob("*.csv"))
        return [queue for queue in queues if slide_id in queue.read_text("utf8")]


def _coded(key: bytes, slide: IncomingSlide) -> CohortRow:
    digest = sha256_of_path(slide.path)
    return CohortRow(
        slide_id=code(key, "slide", digest),
        patient_id=code(key, "patient", slide.patient) if slide.patient else "",
        centre_id=code(key, "centre", slide.centre) if slide.centre else "",
        stain=coded_term(key, slide.stain),
        mpp=slide.mpp,
        source_sha256=digest,
        block_id=code(key, "block", slide.block) if slide.block else "",
        scanner=coded_term(key, slide.scanner),
        stain_batch=coded_term(key, slide.stain_batch),
        grade=slide.grade,
        pair=coded_term(key, slide.pair),
        marker=coded_term(key, slide.marker),
    )
