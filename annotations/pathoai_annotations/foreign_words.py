"""What of a file's free words may enter a study: names of measurements, and of sources.

Both go into the journal for ever and into every export, and no pattern knows a person's name. So
measurements are kept by what their names consist of, words that programs use, and sources by the
forms that pathoai itself writes.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.exchange_report import ExchangeReport

_WORDS = frozenset(
    # Shape, as QuPath, ImageJ and scikit-image name it.
    "area perimeter length width height circularity solidity roundness eccentricity extent convex "
    "hull bounding box major minor axis axes diameter caliper feret orientation angle aspect ratio "
    "elongation centroid distance nearest neighbor neighbour to of the in from and or per with "
    # Statistics.
    "max maximum min minimum mean median average std dev deviation variance sum total count counts "
    "num number range skewness kurtosis mode entropy contrast correlation energy homogeneity "
    "quantile percentile percent percentage fraction share density index rank weight value "
    # What is measured.
    "nucleus nuclei nuclear cell cells cellular cytoplasm cytoplasmic membrane membranous tissue "
    "object objects detection detections annotation region regions tile pixel pixels point points "
    "intensity optical signal stain staining background channel red green blue gray grey hue "
    "saturation brightness luminance hematoxylin haematoxylin eosin dab residual positive negative "
    "weak moderate strong score probability confidence prediction predicted class label cluster "
    "tumor tumour stroma stromal immune lymphocyte lymphocytes necrosis epithelium epithelial "
    "delaunay triangle haralick smoothed spots subcellular ellipse circle fit error "
    "microns micron pixels mm um px".split()
)
_WORD = re.compile(r"[^\W\d_]{3,}")
_LONGEST_NUMBER = re.compile(r"\d{5,}")
_SOURCES = re.compile(
    r"model:[\w.+-]{1,64}@[0-9a-f]{8,64}"
    r"|annotation:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|method:[a-z0-9_/-]{1,40}"
)


def with_known_words(
    annotation: Annotation, report: ExchangeReport, *, where: str, also: Container[str] = ()
) -> Annotation:
    """The annotation with what names of measurements and of its source may stay.

    Args:
        annotation: As a file has it.
        report: Told of what is not carried.
        where: What the report calls the annotation.
        also: Whole names of measurements that the user asked for, and keys of classes.
    """
    kept = {
        name: value
        for name, value in annotation.measurements.items()
        if name in also or _is_known(name, also)
    }
    gone = len(annotation.measurements) - len(kept)
    if gone:
        report.lose(
            "measurements of unknown names (--measurement NAME keeps one)", where, times=gone
        )
    source = annotation.derived_from
    if source is not None and not _SOURCES.fullmatch(source):
        report.lose("a source of an unknown form", where)
        source = None
    if not gone and source == annotation.derived_from:
        return annotation
    return replace(annotation, measurements=kept, derived_from=source)


def _is_known(name: str, also: Container[str]) -> bool:
    words = (word.casefold() for word in _WORD.findall(name))
    return not _LONGEST_NUMBER.search(name) and all(w in _WORDS or w in also for w in words)
