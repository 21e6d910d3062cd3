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

_IN_ONE_TEXT = """
and angle annotation area aspect average axes axis background blue bounding box brightness caliper
cell cells cellular centroid channel circle circularity class cluster confidence contrast convex
correlation count counts cytoplasm cytoplasmic dab delaunay density detection detections dev
deviation diameter distance eccentricity ellipse elongation energy entropy eosin epithelial
epithelium error extent feret fit fraction from gray green grey haematoxylin haralick height
hematoxylin homogeneity hue hull immune in index intensity kurtosis label length luminance
lymphocyte lymphocytes major max maximum mean median membrane membranous micron microns min
minimum minor mm mode moderate nearest necrosis negative neighbor neighbour nuclear nuclei nucleus
num number object objects of optical or orientation per percent percentage percentile perimeter
pixel pixels point points positive predicted prediction probability px quantile range rank ratio
red region regions residual roundness saturation score share signal skewness smoothed solidity
spots stain staining std stroma stromal strong subcellular sum the tile tissue to total triangle
tumor tumour um value variance weak weight width with
"""
_WORDS = frozenset(_IN_ONE_TEXT.split())
"""Of names of measurements in QuPath, ImageJ and scikit-image."""
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
