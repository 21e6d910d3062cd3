"""Killed by signal 9 at any moment, a run goes on to the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pathoai.testing.generated_slide import SlideTruth

pytestmark = pytest.mark.long

_KILLS = 50
_SCRIPT = Path(__file__).with_name("killed_runs.py")


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
@pytest.mark.parametrize("workers", [1, 4])
def test_killed_at_fifty_random_moments_it_resumes_to_identical_bytes(
    two_level_slide: tuple[Path, SlideTruth], tmp_path: Path, workers: int
) -> None:
    """Copied and resampled in turn; what was killed is really killed, early and late."""
    words = [str(two_level_slide[0]), str(tmp_path), str(workers), str(_KILLS)]
    ended = subprocess.run(
        [sys.executable, str(_SCRIPT), *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf8"))
    assert found["different"] == []
    assert found["killed"] == _KILLS
    # Kills must fall before, within and after the first shards, or they prove little.
    assert len(set(found["shards_when_killed"])) > 2
