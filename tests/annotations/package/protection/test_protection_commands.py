"""``pathoai package keygen|sign|encrypt|decrypt``, and what ``verify`` says then."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.study.study import Study
from pathoai_annotations.commands import package as command

pytest.importorskip("pyrage")


@pytest.fixture(autouse=True)
def _command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this command: other components' need not be installed."""
    monkeypatch.setattr("pathoai.entry_points.names_in", lambda group: ("package",))
    monkeypatch.setattr("pathoai.entry_points.load", lambda group, name: command.COMMAND)


def _package(*words: object) -> int:
    return main(["package", *map(str, words)])


def test_signed_encrypted_decrypted_and_verified(package: Path, tmp_path: Path) -> None:
    signing, reading = tmp_path / "keys" / "export.pem", tmp_path / "keys" / "reader.txt"
    assert _package("keygen", signing) == 0
    assert _package("keygen", reading, "--for", "reading") == 0
    assert _package("sign", package, "--key", signing) == 0
    recipient = (tmp_path / "keys" / "reader.txt.pub").read_text().strip()
    assert _package("encrypt", package, tmp_path / "sent.age", "--to", recipient) == 0
    assert _package("decrypt", tmp_path / "sent.age", tmp_path / "got", "--identity", reading) == 0
    assert _package("verify", tmp_path / "got", "--signed-by", f"{signing}.pub") == 0


def test_an_unsigned_package_does_not_verify_where_a_signature_is_asked_for(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _package("keygen", tmp_path / "export.pem") == 0
    assert _package("verify", package, "--signed-by", tmp_path / "export.pem.pub") == 1
    assert "signature.ed25519: the package is not signed" in capsys.readouterr().out


def test_what_does_not_verify_is_neither_signed_nor_encrypted(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (package / "approval.json").unlink()
    assert _package("keygen", tmp_path / "export.pem") == 0
    assert _package("sign", package, "--key", tmp_path / "export.pem") == 1
    assert _package("encrypt", package, tmp_path / "sent.age", "--to", "age1") == 1
    assert capsys.readouterr().err.count("only a package that verifies is signed or encrypted") == 2
    assert not (tmp_path / "sent.age").exists()


def test_a_signature_that_no_longer_holds_is_replaced(package: Path, tmp_path: Path) -> None:
    assert _package("keygen", tmp_path / "export.pem") == 0
    assert _package("sign", package, "--key", tmp_path / "export.pem") == 0
    (package / "signature.ed25519").write_text("none\n")
    assert _package("verify", package) == 1
    assert _package("sign", package, "--key", tmp_path / "export.pem") == 0
    assert _package("verify", package) == 0


def test_a_package_is_encrypted_as_it_is_built(study: Study, tmp_path: Path) -> None:
    assert _package("keygen", tmp_path / "reader.txt", "--for", "reading") == 0
    recipient = (tmp_path / "reader.txt.pub").read_text().strip()
    who = ("--approved-by", "DPO1", "--role", "officer", "--opposition-date", "2026-01-31")
    out = tmp_path / "sent"
    assert _package("build", study.path, out, *who, "--encrypt-to", recipient) == 0
    identity = ("--identity", tmp_path / "reader.txt")
    assert _package("decrypt", tmp_path / "sent.age", tmp_path / "got", *identity) == 0
    assert _package("verify", tmp_path / "got") == 0


def test_what_awaits_its_approval_is_not_encrypted(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    who = ("--tier", "open", "--exported-by", "DM1", "--opposition-date", "2026-01-31")
    assert _package("build", study.path, tmp_path / "sent", *who, "--encrypt-to", "age1") == 1
    assert "nothing is sent before somebody approved it" in capsys.readouterr().err
    assert not (tmp_path / "sent").exists()
