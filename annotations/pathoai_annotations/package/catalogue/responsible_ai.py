"""What the Responsible-AI vocabulary of Croissant (RAI 1.0) asks, answered from facts."""

from __future__ import annotations

from pathoai_annotations.package.summary import PackageSummary
from pathoai_annotations.package.tally import PROPOSER, READER


def responsible_ai(summary: PackageSummary) -> dict[str, object]:
    """The properties of the card, in words; every number in it is counted."""
    readers = sum(row["kind"] == READER for row in summary.counts.annotators)
    return {
        "rai:dataCollection": (
            "Whole-slide images of a study in pathology, entered under codes; the package is made "
            "from the study's journal of edits."
        ),
        "rai:dataCollectionType": ["Manual Human Curator", "Others"],
        "rai:dataCollectionTimeframe": [summary.started[:10], summary.ended[:10]],
        "rai:dataAnnotationProtocol": (
            "An outline is drawn by a reader, imported, or proposed by a model; a reader "
            "validates, corrects or rejects it and signs the slide off. Only what is validated "
            "or corrected and signed off is in the package."
        ),
        "rai:dataAnnotationPlatform": ["pathoai, review in napari"],
        "rai:dataAnnotationAnalysis": (
            "Where several readers read the same slides, tables/agreement.csv holds how far they "
            "agree; annotations are of record as they stand, not by vote."
        ),
        "rai:annotatorDemographics": (
            "Readers are named by codes alone; nothing else is known of them."
            if summary.tier.is_published
            else f"{readers} readers, by code; nothing else is known of them."
        ),
        "rai:machineAnnotationTools": _tools(summary),
        "rai:dataPreprocessingProtocol": [
            "Coordinates are pixels of level 0 of the full canvas; outlines are written with two "
            "decimals."
        ],
        **_use(summary),
    }


def _use(summary: PackageSummary) -> dict[str, object]:
    """What the data may serve for, and what they do not say."""
    return {
        "rai:dataUseCases": [
            "Training and evaluation of segmentation and detection on whole-slide images",
            "Studies of agreement between readers",
        ],
        "rai:dataBiases": [
            "Slides come from the study's own centres, scanners and stains (tables/slides.csv): "
            "results need not hold elsewhere.",
            "Outlines that began as a model's proposals may follow that model (column origin).",
        ],
        "rai:dataLimitations": [
            "Not for diagnosis. Tissue without an outline was not necessarily looked at.",
            *([summary.warning] if summary.warning else []),
        ],
        "rai:dataSocialImpact": (
            "Made to let models for pathology be trained and judged; an attempt to find out "
            "who a patient is would be misuse, under any licence."
        ),
        "rai:personalSensitiveInformation": [
            "Data on health, pseudonymised: slides, patients and centres are named by keyed codes; "
            "no name, date of birth, number of a hospital or address is in the package."
        ],
        "rai:dataReleaseMaintenancePlan": (
            "Versions have three numbers; a new version says what was added, changed and removed "
            "and why. Patients who object are taken out of the next version."
        ),
    }


def _tools(summary: PackageSummary) -> list[str]:
    origins = {value for dimension, value, _ in summary.counts.lines() if dimension == "origin"}
    annotators = summary.counts.annotators
    proposers = [row["code"] for row in annotators if row["kind"] == PROPOSER]
    if "model" not in origins:
        return ["none: no outline of this package began as a model's proposal"]
    return [f"model {code}, through pathoai predict" for code in proposers] or ["pathoai predict"]
