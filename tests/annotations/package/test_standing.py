"""An approval or signature is never lost silently, and of two builds at once the first goes on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.errors import PackageError
from pathoai.study.study import Study
from pathoai_annotations.commands import package as command
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.package.approval import Approval
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.staging import staged
from pathoai_annotations.package.verify import verify_package

_DAY = ("--opposition-date", "2026-01-31")
_OPEN = ("--tier", "open", "--exported-by", "DM1", "--without-images", *_DAY)
_REASONS = ("--individualisation", "codes", "--correlation", "codes", "--inference", "none")
_OFFICER = ("--approved-by", "DPO1", "--role", "officer")


@pytest.fixture(autouse=True)
def _command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this command: other components' need not be installed."""
    monkeypatch.setattr("pathoai.entry_points.names_in", lambda group: ("package",))
    monkeypatch.setattr("pathoai.entry_points.load", lambda group, name: command.COMMAND)


def _package(*words: object) -> int:
    return main(["package", *map(str, words)])


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _edit(study: Study) -> None:
    with Journal.open(study) as journal:
        slide = min(row.slide_id for row in study.cohort)
        journal.reopen(slide, author="R1")


@pytest.fixture
def signed(study: Study, tmp_path: Path) -> Path:
    """An open package that was approved, then signed."""
    out = tmp_path / "open"
    for words in (
        ("build", study.path, out, *_OPEN),
        ("approve", out, *_OFFICER, *_REASONS),
        ("keygen", tmp_path / "export.pem"),
        ("sign", out, "--key", tmp_path / "export.pem"),
    ):
        assert _package(*words) == 0
    return out


def test_a_build_that_changes_nothing_keeps_approval_and_signature(
    study: Study, signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, records = _files(signed), len(list(study.provenance_path.glob("package-build-*")))
    assert _package("build", study.path, signed, *_OPEN) == 0
    said = capsys.readouterr().out
    assert "package open: unchanged; its approval and its signature stand\n" in said
    assert _files(signed) == before
    assert verify_package(signed).ok
    assert len(list(study.provenance_path.glob("package-build-*"))) == records
    assert not list(signed.parent.glob(".open*"))


def test_a_changed_package_takes_the_place_only_where_that_is_asked_for(
    study: Study, signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _files(signed)
    _edit(study)
    assert _package("build", study.path, signed, *_OPEN) == 1
    said = capsys.readouterr().err
    assert "has an approval and a signature, which would be lost" in said
    assert "--replace" in said
    assert _files(signed) == before
    assert _package("build", study.path, signed, *_OPEN, "--replace") == 0
    assert "the approval and the signature of the package that lay" in capsys.readouterr().out
    assert not {"approval.json", "signature.ed25519", "signature.pub"} & _files(signed).keys()
    # What nobody approved is replaced as it is built.
    assert _package("build", study.path, signed, *_OPEN, "--version", "1.1.0") == 0
    assert "gone" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "who",
    [
        ("--approved-by", "DPO1", "--role", "head of data"),
        ("--approved-by", "DPO2", "--role", "data protection officer"),
        ("--exported-by", "DM1"),
    ],
)
def test_an_approval_is_not_replaced_by_another(
    study: Study, package: Path, who: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = _files(package)
    assert _package("build", study.path, package, *who, *_DAY) == 1
    assert "has an approval, which would be lost" in capsys.readouterr().err
    assert _files(package) == before
    assert _package("build", study.path, package, *who, *_DAY, "--replace") == 0
    assert _files(package) != before


@pytest.mark.parametrize("damaged", ["data/README.md", "approval.json", "signature.ed25519"])
def test_what_does_not_verify_is_not_said_to_stand(
    study: Study, signed: Path, damaged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (signed / damaged).write_text("{}\n")
    assert _package("build", study.path, signed, *_OPEN) == 1
    assert "it does not verify any more" in capsys.readouterr().err
    assert _package("build", study.path, signed, *_OPEN, "--replace") == 0
    assert [f.what for f in verify_package(signed).findings] == ["no approval"]


def test_a_second_build_at_the_same_place_is_refused_and_the_first_goes_on(
    study: Study, tmp_path: Path, approval: Approval
) -> None:
    out, refused = tmp_path / "p", []

    def second(*_: object) -> None:
        with pytest.raises(PackageError, match="another run is making this package") as caught:
            build_package(study, out, approval=approval)
        refused.append(caught.value.remedy)

    build_package(study, out, approval=approval, advance=second)
    assert len(refused) == 2  # one for each slide
    assert verify_package(out).ok
    assert not list(tmp_path.glob(".p*"))


def test_a_place_is_free_again_after_a_run_that_failed(tmp_path: Path) -> None:
    out = tmp_path / "p"
    with pytest.raises(OSError, match="full"), staged(out):
        raise OSError("full")
    with staged(out) as folder:
        shutil.copytree(folder, tmp_path / "copy")
    assert not list(tmp_path.glob(".p*"))
