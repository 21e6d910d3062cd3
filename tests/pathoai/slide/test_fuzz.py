"""Damaged and hostile slides give our errors: no crash, no hang, no other exception.

Small files of every reader are damaged (bytes changed, words of the header made extreme, parts
cut out, repeated or cut off) and opened in a child process of bounded memory and time. A failure
prints the damage as Hypothesis' falsifying example; the examples are the same on every run.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from pathoai.testing.icc_profile import matrix_profile

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is bounded as Linux does it"
)

_LONGEST_S = 20.0
"""For one file; it takes milliseconds on an idle machine."""
_EXAMPLES = 200
_PIXELS = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
_EXTREMES = (0, 1, 2, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


_Damage = list[tuple[str, int | float, int]]


class _Jail:
    """The child process; it is started again when it dies or hangs."""

    def __init__(self, folder: Path, sound: list[Path]) -> None:
        self.folder = folder
        self._sound = [str(path) for path in sound]
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self.printed = folder / "stderr.txt"

    def outcome(self, path: Path, longest_s: float = _LONGEST_S) -> str:
        """What became of a file: `ok`, `refused …`, `FAILED …`, `died …` or `hung`."""
        process = self._process or self._start()
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        try:
            line = self._lines.get(timeout=longest_s)
        except queue.Empty:
            self.close()
            return "hung"
        if not line:
            code = process.wait()
            self.close()
            return f"died with exit code {code}"
        return line.rstrip("\n")

    def signal(self, number: signal.Signals) -> None:
        """Send the child a signal, in place of a file that kills or halts it."""
        (self._process or self._start()).send_signal(number)

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        child = Path(__file__).with_name("fuzz_child.py")
        self._lines = queue.Queue()
        with self.printed.open("a") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, str(child), *self._sound],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                # Each thread of a pool reserves address space.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        threading.Thread(target=_pump, args=(self._process, self._lines), daemon=True).start()
        return self._process


def _pump(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put("")


def _tiff(**keywords: Any) -> bytes:  # noqa: ANN401 - tifffile's options
    buffer = io.BytesIO()
    options = {"photometric": "rgb", "metadata": None, **keywords}
    tifffile.imwrite(buffer, _PIXELS, **options)
    return buffer.getvalue()


def _image(kind: str, **keywords: Any) -> bytes:  # noqa: ANN401 - Pillow's options
    buffer = io.BytesIO()
    Image.fromarray(_PIXELS).save(buffer, format=kind, **keywords)
    return buffer.getvalue()


_PROFILE = matrix_profile(2.2)
_TILES = {"tile": (32, 32)}
_GENERATED: dict[str, Callable[[], bytes]] = {
    "tiled deflate": lambda: _tiff(**_TILES, compression="deflate", iccprofile=_PROFILE),
    "tiled JPEG": lambda: _tiff(**_TILES, compression="jpeg"),
    "tiled LZW, big": lambda: _tiff(**_TILES, compression="lzw", bigtiff=True),
    "tiled WebP": lambda: _tiff(**_TILES, compression="webp"),
    "tiled JPEG 2000": lambda: _tiff(**_TILES, compression="jpeg2000"),
    "striped": lambda: _tiff(rowsperstrip=16, compression="zstd"),
    "OME-TIFF": lambda: _tiff(**_TILES, compression="deflate", ome=True, metadata={"axes": "YXS"}),
    "PNG": lambda: _image("PNG", icc_profile=_PROFILE),
    "JPEG": lambda: _image("JPEG", icc_profile=_PROFILE),
    "BMP": lambda: _image("BMP"),
    "WebP": lambda: _image("WEBP"),
    "JPEG 2000": lambda: _image("JPEG2000"),
    "GIF": lambda: _image("GIF"),
    "PPM": lambda: _image("PPM"),
}
_REAL = {
    "Aperio": "tiny/small.svs",
    "DICOM": "highdicom/sm_image.dcm",
    "DICOM JPEG-LS": "highdicom/sm_image_jpegls.dcm",
}


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Jail]:
    """A child that has loaded every reader."""
    folder = tmp_path_factory.mktemp("fuzz")
    sound: list[Path] = []
    for name in ("tiled deflate", "tiled WebP", "PNG"):
        sound.append(folder / f"sound-{len(sound)}")
        sound[-1].write_bytes(_GENERATED[name]())
    sound.append(_write_zarr(folder / "sound.zarr"))
    jail = _Jail(folder, sound)
    yield jail
    jail.close()


def _write_zarr(path: Path) -> Path:
    group = zarr.open_group(str(path), mode="w")
    scale = [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]
    axes: list[dict[str, Any]] = [{"name": "c", "type": "channel"}] + [
        {"name": a, "type": "space", "unit": "micrometer"} for a in "yx"
    ]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    image: Any = {"axes": axes, "datasets": datasets}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    group.create_array("0", data=_PIXELS.transpose(2, 0, 1), chunks=(3, 32, 32), shards=(3, 64, 64))
    return path


# Where the damage lies: an offset in the head, which holds what readers believe, or a share of
# the whole.
_PLACE = st.one_of(st.integers(0, 700), st.floats(0, 1))
_DAMAGE = st.lists(
    st.one_of(
        st.tuples(st.just("byte"), _PLACE, st.integers(0, 255)),
        st.tuples(st.just("bit"), _PLACE, st.integers(0, 7)),
        st.tuples(st.just("word"), _PLACE, st.sampled_from(_EXTREMES)),
        st.tuples(st.just("short"), _PLACE, st.sampled_from(_EXTREMES)),
        st.tuples(st.just("cut off"), _PLACE, st.just(0)),
        st.tuples(st.just("cut out"), _PLACE, st.integers(1, 64)),
        st.tuples(st.just("repeat"), _PLACE, st.integers(1, 64)),
    ),
    min_size=1,
    max_size=5,
)


def _damaged(sound: bytes, damage: _Damage) -> bytes:
    data = bytearray(sound)
    for kind, place, value in damage:
        if not data:
            break
        offset = place if isinstance(place, int) else int(place * len(data))
        at = min(offset, len(data) - 1)
        if kind == "byte":
            data[at] = value
        elif kind == "bit":
            data[at] ^= 1 << value
        elif kind in ("word", "short"):
            width = 4 if kind == "word" else 2
            at -= at % 2
            data[at : at + width] = (value & (2 ** (8 * width) - 1)).to_bytes(width, "little")
        elif kind == "cut off":
            del data[at:]
        elif kind == "cut out":
            del data[at : at + value]
        else:
            data[at:at] = data[at : at + value]
    return bytes(data)


def _leaves(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths to everything inside a JSON document."""
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from _leaves(value, (*path, key))


def _judge(outcome: str) -> None:
    if outcome.startswith("FAILED "):
        pytest.fail(json.loads(outcome.removeprefix("FAILED ")))
    assert outcome == "ok" or outcome.startswith("refused "), outcome


# No shrinking: it would repeat hangs, and the damage is short as it is.
_fuzzed = settings(
    max_examples=_EXAMPLES,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("kind", _GENERATED)
def test_a_damaged_file_is_read_or_refused(kind: str, jail: _Jail) -> None:
    sound = _GENERATED[kind]()
    path = jail.folder / "PATIENT.svs"
    path.write_bytes(sound)
    assert jail.outcome(path) == "ok"

    @_fuzzed
    @given(_DAMAGE)
    def damage_it(damage: _Damage) -> None:
        path.write_bytes(_damaged(sound, damage))
        _judge(jail.outcome(path))

    damage_it()


@pytest.mark.parametrize("kind", _REAL)
def test_a_damaged_real_file_is_read_or_refused(kind: str, jail: _Jail, real_data: Path) -> None:
    sound = (real_data / "wsi" / _REAL[kind]).read_bytes()
    path = jail.folder / "PATIENT.svs"
    path.write_bytes(sound)
    assert jail.outcome(path) == "ok"

    @_fuzzed
    @given(_DAMAGE)
    def damage_it(damage: _Damage) -> None:
        path.write_bytes(_damaged(sound, damage))
        _judge(jail.outcome(path))

    damage_it()


@pytest.mark.parametrize("part", ["zarr.json", "0/zarr.json", "0/c/0/0/0"])
def test_a_damaged_ome_zarr_is_read_or_refused(part: str, jail: _Jail) -> None:
    path = jail.folder / "PATIENT.zarr"
    shutil.rmtree(path, ignore_errors=True)
    _write_zarr(path)
    sound = (path / part).read_bytes()
    assert jail.outcome(path) == "ok"

    @_fuzzed
    @given(_DAMAGE)
    def damage_it(damage: _Damage) -> None:
        (path / part).write_bytes(_damaged(sound, damage))
        _judge(jail.outcome(path))

    damage_it()


_VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 1, 3, 2**31, 2**63, 1e308, "", "0", "..", "bytes", [], [0], [1, 2, 3], {}]
)


@pytest.mark.parametrize("part", ["zarr.json", "0/zarr.json"])
def test_ome_zarr_metadata_of_other_values_are_read_or_refused(part: str, jail: _Jail) -> None:
    path = jail.folder / "PATIENT.zarr"
    shutil.rmtree(path, ignore_errors=True)
    _write_zarr(path)
    sound = (path / part).read_text()
    places = list(_leaves(json.loads(sound)))

    @_fuzzed
    @given(st.lists(st.tuples(st.sampled_from(places), _VALUES), min_size=1, max_size=2))
    def change_it(changes: list[tuple[tuple[str | int, ...], object]]) -> None:
        document = json.loads(sound)
        for (*parents, last), value in changes:
            node = document
            # The second change may lie inside what the first replaced.
            with contextlib.suppress(KeyError, IndexError, TypeError):
                for key in parents:
                    node = node[key]
                node[last] = copy.copy(value)
        (path / part).write_text(json.dumps(document))
        _judge(jail.outcome(path))

    change_it()


def test_the_jail_notices_a_crash_and_a_hang_and_goes_on(jail: _Jail) -> None:
    """So the tests above can fail."""
    absent = jail.folder / "absent"
    jail.signal(signal.SIGKILL)
    assert jail.outcome(absent) == f"died with exit code {-signal.SIGKILL}"
    assert jail.outcome(absent).startswith("refused")
    jail.signal(signal.SIGSTOP)
    assert jail.outcome(absent, longest_s=0.2) == "hung"
    for bad in ("hung", "died with exit code -6", 'FAILED "Traceback"'):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            _judge(bad)
