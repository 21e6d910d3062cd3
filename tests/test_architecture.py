"""What holds for the whole project: light imports, honest metadata, short files and functions."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = (
    "pathoai",
    "training/pathoai_training",
    "annotations/pathoai_annotations",
    "viewer_plugin/napari_pathoai",
)
_LONGEST_FILE, _LONGEST_FUNCTION = 400, 60
_TEXT = {".py", ".toml", ".yaml", ".yml", ".md", ".cfg", ".ini", ".json", ".txt", ".sh"}
_NOT_OURS = {".git", ".venv", "dist", "build", "demo", "lightning_logs", "__pycache__"}


def _sources() -> Iterator[Path]:
    for package in _PACKAGES:
        yield from sorted((_ROOT / package).rglob("*.py"))


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf8"))["project"]
    return project


def _texts() -> Iterator[Path]:
    """Files that a commit would hold: hidden folders hold caches of tools."""
    for path in sorted(_ROOT.rglob("*")):
        inside = path.relative_to(_ROOT).parts
        hidden = any(part.startswith(".") and part != ".github" for part in inside[:-1])
        if hidden or _NOT_OURS.intersection(inside) or not path.is_file():
            continue
        if path.suffix in _TEXT or path.name in {"LICENSE", ".gitignore"}:
            yield path


def test_importing_the_core_is_light() -> None:
    program = "import sys, pathoai; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"numpy", "torch", "zarr", "napari", "qtpy", "openslide", "matplotlib"}


def test_files_are_short() -> None:
    long = {
        path.relative_to(_ROOT).as_posix(): count
        for path in _sources()
        if (count := len(path.read_text("utf8").splitlines())) > _LONGEST_FILE
    }
    assert not long


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1 if body else 0


def test_functions_are_short() -> None:
    long = {}
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (lines := _body_lines(node)) > _LONGEST_FUNCTION:
                long[f"{path.relative_to(_ROOT).as_posix()}:{node.name}"] = lines
    assert not long


def test_no_file_names_a_place_on_one_machine() -> None:
    # Built from parts, or this file would name them too. Jane is invented, for tests and examples.
    folders = "|".join(("work/", "root/", "home/(?!jane)"))
    places = re.compile(rf"/({folders})|[A-Z]:\\Users\\(?!jane)")
    found = [
        f"{path.relative_to(_ROOT).as_posix()}:{number}"
        for path in _texts()
        for number, line in enumerate(path.read_text("utf8").splitlines(), start=1)
        if places.search(line)
    ]
    assert not found


def _name(requirement: str) -> str:
    """The normalised name of a requirement (PEP 503), without version, extras and marker."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[1]).lower()


def _with_extras(requirement: str) -> set[str]:
    """Names that a requirement stands for; one of this project stands for all it brings."""
    match = re.fullmatch(r"(?:-e )?(?:\.|pathoai)(?:\[(.*)\])?", requirement.strip())
    if match is None:
        return {_name(requirement)}
    requirements = list(_project()["dependencies"])
    for extra in (match[1] or "").split(","):
        requirements += _project()["optional-dependencies"][extra] if extra else []
    return set().union(*(_with_extras(r) for r in requirements))


def test_conda_installs_every_dependency_of_use() -> None:
    """Those of the core and of each extra, but for the tools of developers."""
    # Others' validators have an environment of their own: they ask for another version of rich.
    extras = ",".join(set(_project()["optional-dependencies"]) - {"dev", "fair-check"})
    wanted = _with_extras(f".[{extras}]")
    assert len(wanted) > 20
    environment = yaml.safe_load((_ROOT / "environment.yml").read_text("utf8"))
    given: set[str] = set()
    for entry in environment["dependencies"]:
        for requirement in entry["pip"] if isinstance(entry, dict) else [entry]:
            given |= _with_extras(requirement)
    assert given - {"python", "pip"} == wanted
    (python,) = (e for e in environment["dependencies"] if str(e).startswith("python"))
    assert python == f"python{_project()['requires-python']}"


def test_the_wheel_holds_all_packages_and_their_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in _sources():
        package_root = next(p for p in _PACKAGES if path.is_relative_to(_ROOT / p))
        assert path.relative_to((_ROOT / package_root).parent).as_posix() in names
    assert {
        "pathoai/models/encoders.yaml",
        "pathoai/ihc/recipes/AE1AE3.yaml",
        "pathoai/ontologies/breast.yaml",
        "pathoai/ontologies/cervix.yaml",
        "napari_pathoai/napari.yaml",
    } <= names
    assert any(re.fullmatch(r"pathoai_training/recipes/.*\.yaml", name) for name in names)
    assert not [n for n in names if n.startswith(("tests/", "benchmarks/", "docs/"))]


def test_the_manifest_bears_the_name_of_the_distribution() -> None:
    manifest = yaml.safe_load(
        (_ROOT / "viewer_plugin/napari_pathoai/napari.yaml").read_text("utf8")
    )
    assert manifest["name"] == _project()["name"]


def test_every_entry_point_names_something_that_exists() -> None:
    for group in _project()["entry-points"].values():
        for target in group.values():
            module, _, attribute = target.partition(":")
            relative = Path(*module.split("."))
            candidates = [(_ROOT / p).parent / relative for p in _PACKAGES]
            found = [c for c in candidates if c.is_dir() or c.with_suffix(".py").is_file()]
            assert len(found) == 1, target
            if attribute.endswith(".yaml"):
                assert (found[0] / attribute).is_file()
