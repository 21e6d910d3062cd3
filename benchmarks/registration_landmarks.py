"""Landmarks of real pairs after registration: pathoai beside its peers, in one run.

    OMP_NUM_THREADS=1 python benchmarks/registration_landmarks.py FOLDER --out results.md

FOLDER holds `birl` and `lung_lesion_3`, images and landmarks of CIMA as they come with BIRL. Each
tool runs in a process of its own on one thread, the peers in environments made for them in the
folder of --environments (kept: a second run is quick). Rounds are interleaved; process CPU time of
the registration alone is given, reading the images included, importing the tool not. Answers are
kept in --kept as they come: a run that was killed goes on.

How each peer is installed: `python -m venv NAME`, then `pip install itk-elastix`; or, with torch
seen through a .pth file where pathoai has it, `pip install --no-deps` of what `tools` lists.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median

import numpy as np
from measure import machine
from numpy.typing import NDArray
from PIL import Image

_PEERS = Path(__file__).with_name("peers")
_VALIS = ("--requirement", str(_PEERS / "valis_requirements.txt"))
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LESION = "lung_lesion_3/lung-lesion_3/scale-5pc"
_LESION_POINTS = "lung_lesion_3/annotations/user-PS_scale-50pc"
# Its landmarks were set on images ten times as large as those that come with them.
_LESION_FACTOR = 0.1
_LESION_STAINS = ("He", "proSPC-4", "CD31-3", "Cc10-5", "Ki67-7")
_BIRL = {
    "lesions: H&E, proSPC": ("birl/lesions_/scale-5pc/Izd2-29-041-w35_", "HE", "proSPC"),
    "rat kidney: H&E, PanCytokeratin": (
        "birl/rat-kidney_/scale-5pc/Rat-Kidney_",
        "HE",
        "PanCytokeratin",
    ),
}


@dataclass(frozen=True)
class Pair:
    """Two images of neighbouring sections, and what was marked on both, pixels."""

    name: str
    images: tuple[Path, Path]
    points: tuple[NDArray[np.float64], NDArray[np.float64]]

    @property
    def diagonal(self) -> float:
        """Of the image that points are carried to, pixels."""
        return float(np.hypot(*Image.open(self.images[1]).size))

    def rtre(self, carried: NDArray[np.float64]) -> NDArray[np.float64]:
        """Errors of the carried landmarks as shares of the diagonal."""
        return np.linalg.norm(carried - self.points[1], axis=1) / self.diagonal


@dataclass
class Tool:
    """A tool: its script, and what pip installs into an environment of its own, if it has one.

    One that is not `alone` sees torch where pathoai has it.
    """

    name: str
    script: Path
    packages: tuple[str, ...] = ()
    alone: bool = True
    warm_up: bool = True
    problem: str = ""
    version: str = ""
    process: subprocess.Popen[str] | None = None
    answers: dict[str, list[dict]] = field(default_factory=dict)


def tools() -> list[Tool]:
    """Ours first."""
    return [
        Tool("pathoai", Path(__file__).with_name("registered_landmarks.py")),
        Tool("itk-elastix", _PEERS / "elastix_register.py", ("itk-elastix",)),
        Tool(
            "deeperhistreg",
            _PEERS / "deeperhistreg_register.py",
            ("deeperhistreg", "SimpleITK", "pyvips", "pyvips-binary"),
            alone=False,
            warm_up=False,
        ),
        # These two take minutes a pair: what the first one prepares is not seen beside that.
        Tool("valis", _PEERS / "valis_register.py", _VALIS, alone=False, warm_up=False),
    ]


def pairs_below(folder: Path) -> list[Pair]:
    """All pairs; of the lesion, each two of its five stains."""
    found = []
    for name, (stem, *stains) in _BIRL.items():
        images = tuple(folder / f"{stem}{stain}.jpg" for stain in stains)
        found.append(Pair(name, images, _points(*(i.with_suffix(".csv") for i in images))))
    for stains in combinations(_LESION_STAINS, 2):
        stems = [f"29-041-Izd2-w35-{stain}-les3" for stain in stains]
        images = tuple(folder / _LESION / f"{stem}.jpg" for stem in stems)
        points = _points(*(folder / _LESION_POINTS / f"{stem}.csv" for stem in stems))
        name = "lesion 3: {}, {}".format(*(s.split("-")[0].replace("He", "H&E") for s in stains))
        found.append(Pair(name, images, tuple(p * _LESION_FACTOR for p in points)))
    return found


def _points(*files: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Landmarks that both files have, (N, 2) each; their first column is the number."""
    tables = [np.loadtxt(file, delimiter=",", skiprows=1) for file in files]
    both = np.intersect1d(tables[0][:, 0], tables[1][:, 0])
    first, second = (t[np.searchsorted(t[:, 0], both), 1:3] for t in tables)
    return first, second


def affine_floor(pair: Pair) -> NDArray[np.float64]:
    """The first image's landmarks carried by the affine map that fits the landmarks best."""
    ones = np.column_stack([pair.points[0], np.ones(len(pair.points[0]))])
    return ones @ np.linalg.lstsq(ones, pair.points[1], rcond=None)[0]


def start(tool: Tool, environments: Path) -> None:
    """Start a tool, in an environment that is made where it is missing; or note why not."""
    try:
        python = _environment(tool, environments)
    except subprocess.CalledProcessError as error:
        tool.problem = f"cannot be installed here: {_last_line(error.stderr)}"
        return
    paths = os.pathsep.join([str(_PEERS), str(_PEERS.parents[1])])
    tool.process = subprocess.Popen(
        [python, "-W", "ignore", str(tool.script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if not os.environ.get("SHOW") else None,
        text=True,
        env={**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": paths},
        # What a tool leaves about shall not lie where the user works.
        cwd=tempfile.gettempdir(),
    )
    first = tool.process.stdout.readline()
    if not first:
        tool.problem = f"does not run here: {_last_line(tool.process.communicate()[1] or '')}"
        return
    tool.version = json.loads(first)["version"]


def _environment(tool: Tool, folder: Path) -> str:
    """The interpreter of a tool: this one, or one of its own."""
    if not tool.packages:
        return sys.executable
    own = folder / tool.name
    python = own / "bin" / "python"
    if not python.exists():
        print(f"installing {tool.name}; this may take minutes")
        venv.create(own, with_pip=True)
        options = ["--quiet"]
        if not tool.alone:
            # torch is seen where pathoai has it: a second one would take 5 GB.
            packages = next((own / "lib").glob("python*/site-packages"))
            (packages / "pathoai.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
            options.append("--no-deps")
        command = [str(python), "-m", "pip", "install", *options, *tool.packages]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return str(python)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:160]


def ask(tool: Tool, pair: Pair) -> None:
    """Let a tool register a pair once."""
    with tempfile.TemporaryDirectory(prefix="pathoai-landmarks-") as folder:
        job = {
            "fixed": str(pair.images[0]),
            "moving": str(pair.images[1]),
            "points": pair.points[0].tolist(),
            "folder": folder,
        }
        print(json.dumps(job), file=tool.process.stdin, flush=True)
        line = tool.process.stdout.readline()
    if not line:
        tool.problem = f"stopped at {pair.name}"
        return
    answer = json.loads(line)
    tool.answers.setdefault(pair.name, []).append(answer)
    said = answer.get("problem") or f"{np.median(pair.rtre(np.array(answer['points']))):.3%}"
    print(f"{tool.name}, {pair.name}: {said}, {answer['cpu_s']:.1f} s", flush=True)


def main() -> None:
    """Register all pairs with all tools and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with `birl` and `lung_lesion_3`")
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    parser.add_argument("--environments", type=Path, help="default: in the temporary folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="tools to run beside none else")
    parser.add_argument("--kept", type=Path, help="JSON of answers; default: beside --out")
    options = parser.parse_args()
    environments = options.environments or Path(tempfile.gettempdir()) / "pathoai-registration"
    environments = environments.resolve()
    chosen = [tool for tool in tools() if not options.only or tool.name in options.only]
    pairs = pairs_below(options.folder.resolve())
    for tool in chosen:
        start(tool, environments)
    _ask_all(chosen, pairs, options.rounds, options.kept or options.out.with_suffix(".json"))
    for tool in chosen:
        if tool.process:
            tool.process.communicate()
    options.out.write_text(report(chosen, pairs, options.rounds), encoding="utf-8")
    print(f"wrote {options.out}")


def _ask_all(chosen: list[Tool], pairs: list[Pair], rounds: int, kept: Path) -> None:
    """Let each tool register each pair as often as there are rounds, less what was kept."""
    answers = json.loads(kept.read_text()) if kept.exists() else {}
    for tool in chosen:
        tool.answers = answers.setdefault(tool.name, {})
    for tool in chosen:
        # The first pair once before the clock counts: whatever a tool prepares is not its speed.
        if tool.warm_up and not tool.problem and not _is_done(tool, pairs, rounds):
            ask(tool, pairs[0])
            tool.answers[pairs[0].name].pop()
    for number in range(rounds):
        for pair in pairs:
            for tool in chosen:
                if not tool.problem and len(tool.answers.get(pair.name, [])) <= number:
                    ask(tool, pair)
                    kept.write_text(json.dumps(answers))


def _is_done(tool: Tool, pairs: list[Pair], rounds: int) -> bool:
    return all(len(tool.answers.get(pair.name, [])) >= rounds for pair in pairs)


def report(chosen: list[Tool], pairs: list[Pair], rounds: int) -> str:
    """The tables."""
    ran = [tool for tool in chosen if any(tool.answers.values())]
    heads = ["before", "best affine", *(tool.name for tool in ran)]
    rows, costs = [], []
    for pair in pairs:
        shares = [pair.rtre(pair.points[0]), pair.rtre(affine_floor(pair))]
        cells = [f"{np.median(s):.2%}" for s in shares]
        cells += [_said(tool, pair) for tool in ran]
        rows.append(f"| {pair.name} | {len(pair.points[0])} | {' | '.join(cells)} |")
        spent = [_cpu(tool, pair) for tool in ran]
        costs.append(f"| {pair.name} | {' | '.join(f'{s:.1f}' for s in spent)} |")
    middle = [f"**{_middle(tool, pairs):.2%}**" for tool in ran]
    before = [median(np.median(p.rtre(p.points[0])) for p in pairs)]
    before.append(median(np.median(p.rtre(affine_floor(p))) for p in pairs))
    rows.append(f"| **median** | | {' | '.join([f'{b:.2%}' for b in before] + middle)} |")
    total = [sum(_cpu(tool, pair) for pair in pairs) for tool in ran]
    costs.append(f"| **all** | {' | '.join(f'{s:.0f}' for s in total)} |")
    ratio = [f"{t / total[0]:.1f}" for t in total] if ran and ran[0].name == "pathoai" else []
    if ratio:
        costs.append(f"| ratio | {' | '.join(ratio)} |")
    versions = ", ".join(tool.version for tool in ran)
    missing = "".join(f"\n- {tool.name}: {tool.problem}." for tool in chosen if tool.problem)
    return _TEXT.format(
        machine=machine(["numpy", "scipy", "torch"]),
        rounds=rounds,
        versions=versions,
        heads=" | ".join(heads),
        lines="|".join("---" for _ in heads),
        rows="\n".join(rows),
        tools=" | ".join(tool.name for tool in ran),
        cost_lines="|".join("---" for _ in ran),
        costs="\n".join(costs),
        missing=f"\n## Not run\n{missing}\n" if missing else "",
    )


def _said(tool: Tool, pair: Pair) -> str:
    """Median and 90th percentile of a tool's errors on a pair, or what stopped it."""
    answer = tool.answers.get(pair.name, [{}])[-1]
    if "points" not in answer:
        return answer.get("problem", "–").split(":")[0]
    errors = pair.rtre(np.array(answer["points"]))
    return f"{np.median(errors):.2%} / {np.percentile(errors, 90):.2%}"


def _middle(tool: Tool, pairs: list[Pair]) -> float:
    """Median over pairs of the median error; a pair that failed counts as not moved."""
    medians = []
    for pair in pairs:
        answer = tool.answers.get(pair.name, [{}])[-1]
        carried = np.array(answer["points"]) if "points" in answer else pair.points[0]
        medians.append(float(np.median(pair.rtre(carried))))
    return median(medians)


def _cpu(tool: Tool, pair: Pair) -> float:
    """Median CPU seconds."""
    return median(answer["cpu_s"] for answer in tool.answers.get(pair.name, [{"cpu_s": 0.0}]))


_TEXT = """# Registration of real pairs with landmarks, beside peers

{machine}; one thread per tool; {rounds} interleaved rounds. {versions}. Images of about 900 px at
about 3.5 µm, of neighbouring sections: what people marked on the first is carried to the second.
rTRE is the distance to what was marked there, as a share of the image's diagonal; median / 90th
percentile of a pair's landmarks. The last row is the median of the pairs' medians.

| pair | landmarks | {heads} |
|---|---|{lines}|
{rows}

CPU seconds of the registration alone, medians; the ratios are the claim.

| pair | {tools} |
|---|{cost_lines}|
{costs}
{missing}
## How to read it

- *before*: landmarks where they are. *best affine*: the affine map that fits the landmarks
  themselves best, which no tool is told.
- Two people who marked the same landmarks of lesion 3 differ by 7.3 px in the median, 0.66 % of
  the diagonal: what lies below says little.
- pathoai registers stores that were made before, as `pathoai register` does, but keeps the map
  where hardly a tile is believed: these are neighbouring sections, where no cell is on both slides.
  Where it refuses the pair all the same, the pair counts as not moved. How its field follows
  neighbouring sections (reach, control points, what counts as chance) was chosen on these pairs.
- itk-elastix: its default rigid, affine and B-spline maps, on grey images, begun at the centres of
  gravity. DeeperHistReg: its default rigid and nonrigid settings. VALIS: its default rigid and
  non-rigid settings, but for the features: those of its default are downloaded when it is imported.
"""

if __name__ == "__main__":
    main()
