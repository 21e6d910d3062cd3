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
def test_killed_at_fifty_random_moments_it_resumes_to_identical_bytes(
    two_level_slide: tuple[Path, SlideTruth], generated: tuple[Path, SlideTruth], tmp_path: Path
) -> None:
    """Copied and resampled in turn, on one worker and on four; what was killed is really killed."""
    words = [str(two_level_slide[0]), str(generated[0]), str(tmp_path), str(_KILLS)]
    ended = subprocess.run(
        [sys.executable, str(_SCRIPT), *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf8"))
    assert found.keys() == {"1", "4"}
    for of_workers in found.values():
        assert of_workers["different"] == []
        assert of_workers["killed"] == _KILLS
        # Kills must fall early and late, in many states of a store, or they prove little.
        shares = of_workers["shares"]
        assert min(shares) < 0.5 < max(shares)
        assert len(set(shares)) > 5
