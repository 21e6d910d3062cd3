"""``pathoai encoders``: what is known and registered, and refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from pathoai.cli.main import main
from pathoai.models.encoder import shipped_encoders
from pathoai.models.encoder_registry import EncoderRegistry
from tests.pathoai.made_encoders import TINY_VIT, tiny_entry, write_weights

_Printed = pytest.CaptureFixture[str]


def _error(printed: _Printed) -> str:
    (line,) = printed.readouterr().err.splitlines()
    assert line.startswith("pathoai: error: ")
    return line


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """A description of an encoder that pathoai does not know."""
    file = tmp_path / "mine.yaml"
    entry = {k: list(v) if isinstance(v, tuple) else v for k, v in TINY_VIT.items()}
    closed = entry | {"licence": "CC-BY-NC-4.0", "commercial": False}
    file.write_text(yaml.safe_dump({"encoders": {"tiny": entry, "closed": closed}}))
    return file


def test_the_list_names_every_encoder_with_licence_and_scale(capsys: _Printed) -> None:
    assert main(["encoders", "list"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split()[:3] == ["encoder", "tile", "mpp"]
    rows = {line.split()[0]: line for line in lines}
    assert set(rows) == set(shipped_encoders())
    assert "CC-BY-NC-ND-4.0" in rows["virchow2"]
    assert all("no weights here" in row for row in rows.values())


def test_a_users_own_encoder_is_registered_and_listed(
    described: Path, tmp_path: Path, capsys: _Printed
) -> None:
    weights = write_weights(tiny_entry(), tmp_path / "DUPONT.safetensors")
    words = ["encoders", "register", "tiny", str(weights), "--describe", str(described)]
    assert main(words) == 0
    encoder = EncoderRegistry().get("tiny")
    assert capsys.readouterr().out.startswith(f"tiny: registered, SHA-256 {encoder.sha256[:12]}")
    assert main(["encoders", "list"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny ")]
    assert f"SHA-256 {encoder.sha256[:12]}…" in row
    assert "DUPONT" not in row


def test_a_licence_is_accepted_by_a_flag(described: Path, tmp_path: Path, capsys: _Printed) -> None:
    weights = write_weights(tiny_entry(), tmp_path / "w.safetensors")
    words = ["encoders", "register", "closed", str(weights), "--describe", str(described)]
    assert main(words) == 1
    assert "--accept-licence CC-BY-NC-4.0" in _error(capsys)
    assert main([*words, "--accept-licence", "CC-BY-NC-4.0"]) == 0
    assert "not for commercial use" in capsys.readouterr().out
    assert EncoderRegistry().get("closed").accepted_licence == "CC-BY-NC-4.0"


def test_shipped_encoders_are_refused_without_licence_or_with_a_pickle(
    tmp_path: Path, capsys: _Printed
) -> None:
    pickle = tmp_path / "pytorch_model.bin"
    torch.save({}, pickle)
    assert main(["encoders", "register", "uni2-h", str(pickle)]) == 1
    assert "--accept-licence CC-BY-NC-ND-4.0" in _error(capsys)
    words = ["encoders", "register", "h-optimus-0", str(pickle)]
    assert main(words) == 1
    assert "safetensors only" in _error(capsys)
    assert main(words[:-1]) == 1
    assert "register h-optimus-0 FILE.safetensors" in _error(capsys)
    assert main(["encoders", "register", "h-optimus", str(pickle)]) == 1
    assert "did you mean 'h-optimus-0'" in _error(capsys)


def test_unknown_options_are_errors() -> None:
    for words in (["list", "--all"], ["register", "tiny", "--accept", "MIT"], []):
        with pytest.raises(SystemExit) as raised:
            main(["encoders", *words])
        assert raised.value.code == 2
