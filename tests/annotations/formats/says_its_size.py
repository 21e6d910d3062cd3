"""The tests of every format, for formats whose files say how large their slide is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pathoai.errors import AnnotationError
from pathoai.geometry import Size
from tests.annotations.formats.conformance import FRAME, FormatConformance


class SaysItsSize(FormatConformance):
    """A file of another size is another slide's; one that does not say it is held to the slide."""

    def test_what_lies_off_the_slide_is_named_or_cut_and_told(self, path: Path) -> None:
        x = self.carried()[0].geometry.centroid.x
        small = replace(FRAME, size=Size(int(x), FRAME.size.height), bounds=None)
        self.write(path, self.carried())
        with pytest.raises(AnnotationError, match="another slide"):
            self.read(path, frame=small, repair=True)
        self.write(path, self.carried(), frame=None)
        with pytest.raises(AnnotationError, match="off the slide"):
            self.read(path, frame=small)
        read, report = self.read(path, frame=small, repair=True)
        assert all(a.geometry.bounds[2] <= int(x) for a in read)
        assert any("off the slide" in what for what in report.mended)
