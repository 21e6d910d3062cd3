"""The page of a report holds what it is given, and nothing that could run or be fetched."""

from __future__ import annotations

import re

import numpy as np

from pathoai.metrics.patient_bootstrap import Interval
from pathoai.report.charts import confusion_chart, forest_chart
from pathoai.report.page import Part, report_page
from pathoai.report.section import Figure, Measured, Section, Table
from pathoai.report.terminal_table import terminal_table

TABLE = Table("Counts <here>", ("", "value"), (("a & b", Measured(0.5, 0.25, 0.75)), ("c", 12000)))


def test_text_is_shown_as_it_is_and_nothing_is_fetched() -> None:
    chart = confusion_chart(np.array([[3, 1], [0, 2]]), ("x", "y"), sides=("R1", "R2"))
    figure = Figure("How often", "Confusion of x and y", chart)
    section = Section("grades", "Grades <b>", ("One & two.",), (TABLE,), (figure,))
    page = report_page("A <script> title", [section], parts=[Part("more", "More", "<p>own</p>")])
    assert "<script" not in page
    assert "A &lt;script&gt; title" in page
    for text in ("One &amp; two.", "Counts &lt;here&gt;", "0.500 (0.250 to 0.750)", "12,000"):
        assert text in page
    assert page.index('href="#grades"') < page.index('href="#more"') < page.index("<p>own</p>")
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert 'alt="Confusion of x and y" src="data:image/svg+xml;base64,' in page


def test_the_same_numbers_give_the_same_drawing() -> None:
    values = Interval(
        *(np.array(row) for row in ([0.5, 0.7], [0.4, np.nan], [0.6, np.nan], [1, 1]))
    )
    one, other = (forest_chart(["R1", "R2"], values, "κ") for _ in range(2))
    assert one == other
    assert one.lstrip().startswith(b"<?xml")


def test_a_row_of_an_interval_is_an_interval() -> None:
    columns = [np.arange(6.0).reshape(3, 2) + at for at in range(4)]
    part = Interval(*columns).part(1)
    assert part.estimate.tolist() == [2, 3]
    assert part.defined.tolist() == [5, 6]


def test_a_table_in_a_terminal() -> None:
    lines = terminal_table(TABLE).splitlines()
    assert lines[0] == "Counts <here>"
    assert lines[2] == "a & b  0.500 (0.250 to 0.750)"
