from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from tests.annotations.review.queue.queue_study import SLIDE, make_queue_study


@pytest.fixture(scope="session")
def made_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study, made once; tests that write take a copy."""
    return make_queue_study(tmp_path_factory.mktemp("queue") / "study")


@pytest.fixture
def study(made_study: Study, tmp_path: Path) -> Study:
    """A copy of the study, for one test."""
    shutil.copytree(made_study.path, tmp_path / "study")
    return Study(tmp_path / "study")


@pytest.fixture
def store(study: Study) -> SlideStore:
    return SlideStore(study.store_path(SLIDE))


@pytest.fixture
def journal(study: Study) -> Iterator[Journal]:
    with Journal.open(study) as opened:
        yield opened
