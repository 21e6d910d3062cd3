"""``pathoai package``: exit codes, one clear line, and the reason for what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.study.study import Study
from pathoai_annotations.package import layout
from pathoai_annotations.package.verify import verify_package

APPROVED = (
    *("--approved-by", "DPO1"),
    *("--role", "data protection officer"),
    *("--opposition-date", "2026-01-31"),
)


def test_build_and_verify(
    reviewed: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "package"

    assert main(["package", "build", str(reviewed.path), str(out), *APPROVED]) == 0
    assert main(["package", "verify", str(out)]) == 0

    assert (
        capsys.readouterr().out.splitlines() == ["package: 2 annotations in 11 files, verified"] * 2
    )
    assert verify_package(out).ok


@pytest.mark.parametrize("missing", ["--approved-by", "--role", "--opposition-date"])
def test_what_is_missing_of_an_approval_is_no_usage_error(
    reviewed: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    position = APPROVED.index(missing)
    stated = APPROVED[:position] + APPROVED[position + 2 :]

    assert main(["package", "build", str(reviewed.path), str(tmp_path / "package"), *stated]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert missing in line
    assert "opposition was applied" in line
    assert not (tmp_path / "package").exists()


def test_verify_prints_a_line_per_finding_and_fails(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (package / "data" / layout.ANNOTATORS).unlink()
    (package / "data" / "more.txt").write_text("more")

    assert main(["package", "verify", str(package)]) == 1

    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == len(verify_package(package).findings)
    assert "missing-file: tables/annotators.csv" in printed.out
    assert "does not verify" in printed.err


def test_what_is_no_package_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "verify", str(tmp_path)]) == 1

    assert len(capsys.readouterr().err.splitlines()) == 1
