from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

from napari.utils.notifications import notification_manager
from npe2 import PluginManifest

from napari_pathoai.opening import readers
from napari_pathoai.opening.sample_slide import generated_slide
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import SLIDE

MANIFEST = Path(str(resources.files("napari_pathoai") / "napari.yaml"))


def test_npe2_accepts_the_manifest_and_every_command_exists() -> None:
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == "pathoai"


def test_npe2_validates_the_manifest() -> None:
    """The command that plugins are checked with, here on the installed package."""
    command = [sys.executable, "-m", "npe2", "validate", "pathoai"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'pathoai' valid" in done.stdout


def test_importing_the_plugin_loads_neither_napari_nor_qt() -> None:
    script = (
        "import sys, napari_pathoai, napari_pathoai.commands.review as r\n"
        "heavy = {'napari', 'qtpy', 'PySide6', 'zarr', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy; assert r.COMMAND.name == 'review'"
    )
    path = [str(p) for p in sys.path if p]
    code = f"import sys; sys.path[:0] = {path!r}\n{script}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_study_opens_by_folder_and_by_sheet(study: Study) -> None:
    for path in (study.path, study.path / "study.toml"):
        read = readers.study_reader(str(path))
        assert read is not None
        assert next(s["name"] for _, s, _ in read(str(path))) == f"Slide {SLIDE}"
    assert readers.study_reader(str(study.path / "stores")) is None


def test_a_study_without_tiled_slides_says_what_to_run(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "s", ontology="cervix")
    read = readers.study_reader(str(study.path))
    assert read is not None
    assert read(str(study.path)) == [(None,)]
    said = notification_manager.records.pop().message
    assert "pathoai tile" in said
    assert "\n" not in said


def test_stores_open_and_other_folders_do_not(study: Study, tmp_path: Path) -> None:
    path = str(study.store_path(SLIDE))
    read = readers.store_reader([path])
    assert read is not None
    assert len(read([path])) == 4
    (tmp_path / "other.zarr").mkdir()
    assert readers.store_reader(str(tmp_path / "other.zarr")) is None


def test_files_that_are_no_slides_are_left_to_other_readers(tmp_path: Path) -> None:
    file = tmp_path / "notes.tif"
    file.write_bytes(b"not a slide")
    assert readers.slide_reader(str(file)) is None
    assert readers.slide_reader(str(tmp_path / "absent.svs")) is None


def test_a_slide_file_opens_lazily(tmp_path: Path) -> None:
    from pathoai.testing.generated_slide import SlideRecipe, generate_slide

    file = tmp_path / "generated.svs"
    generate_slide(file, SlideRecipe(width=1024, height=768, mpp=0.5))
    read = readers.slide_reader(str(file))
    assert read is not None
    ((levels, settings, kind),) = read(str(file))
    assert (kind, settings["scale"]) == ("image", (0.5, 0.5))
    assert levels[0].shape == (768, 1024, 3)
    assert levels[0][10:20, 30:50].shape == (10, 20, 3)


def test_the_sample_is_a_slide_with_its_true_regions() -> None:
    (levels, image, _), (outlines, shapes, kind) = generated_slide()
    assert levels[0].shape == (1536, 2048, 3)
    assert kind == "shapes"
    assert len(outlines) == len(shapes["edge_color"]) > 10
    assert image["scale"] == shapes["scale"] == (0.5, 0.5)
