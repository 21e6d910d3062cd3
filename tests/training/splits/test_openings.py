"""Every look at the test stays on record, and a log that was tampered with opens nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from pathoai.errors import InvalidValueError, StudyError
from pathoai.study.study import Study
from pathoai_training.splits.openings import Opening, open_test, openings


def opening(number: int = 0) -> Opening:
    return Opening("main", f"{number:064x}", 1, f"model-{number}", f"{number + 7:064x}", "evaluate")


@pytest.fixture
def opened(study: Study) -> Study:
    for number in range(4):
        open_test(study, opening(number))
    return study


def test_openings_are_kept_in_order(opened: Study) -> None:
    found = openings(opened)
    assert [entry.opening for entry in found] == [opening(n) for n in range(4)]
    assert [e.previous for e in found] == ["0" * 64, *(e.sha256 for e in found[:-1])]
    assert found[0].opening.who == "operator"
    assert found[0].time.endswith("+00:00")


def test_a_study_whose_test_nobody_opened(study: Study) -> None:
    assert openings(study) == []


def _changed(lines: list[str]) -> list[str]:
    return [lines[0].replace("model-0", "model-9"), *lines[1:]]


def _forged(lines: list[str]) -> list[str]:
    """As a careful forger would: with the entry's own hash mended."""
    from pathoai.provenance import sha256_of_json

    raw = json.loads(lines[1])
    del raw["sha256"]
    raw["opening"]["model"] = "another"
    return [lines[0], json.dumps(raw | {"sha256": sha256_of_json(raw)}), *lines[2:]]


@pytest.mark.parametrize(
    "tamper",
    [
        _changed,
        _forged,
        lambda lines: lines[1:],
        lambda lines: lines[:1] + lines[2:],
        lambda lines: lines[:-1],
        lambda lines: [],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-1], lines[-1][:40]],
        lambda lines: [*lines, "{}"],
    ],
)
def test_a_log_that_was_altered_is_refused_and_opens_nothing(
    opened: Study, tamper: Callable[[list[str]], list[str]]
) -> None:
    path = opened.splits_path / "openings.jsonl"
    text = "".join(line + "\n" for line in tamper(path.read_text("utf8").splitlines()))
    path.write_text(text, "utf8")
    for look in (lambda: openings(opened), lambda: open_test(opened, opening(5))):
        with pytest.raises(StudyError, match=r"log of openings.*altered"):
            look()
    assert path.read_text("utf8") == text


def test_a_log_that_is_gone_is_noticed(opened: Study) -> None:
    (opened.splits_path / "openings.jsonl").unlink()
    with pytest.raises(StudyError, match="the end of the log"):
        openings(opened)


def test_a_run_that_died_before_the_sheet_was_written_harms_nothing(opened: Study) -> None:
    sheet = opened.path / "study.toml"
    before = sheet.read_bytes()
    open_test(opened, opening(4))
    sheet.write_bytes(before)
    assert len(openings(opened)) == 5
    open_test(opened, opening(5))
    assert len(openings(opened)) == 6


def test_openings_at_once_are_all_on_record(study: Study) -> None:
    threads = [threading.Thread(target=open_test, args=(study, opening(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {e.opening.model for e in openings(study)} == {f"model-{n}" for n in range(8)}


@pytest.mark.parametrize("who", ["Dr Jeanne Martin", "jeanne@hospital.fr", "", "x" * 33])
def test_who_is_a_code(who: str) -> None:
    with pytest.raises(InvalidValueError, match="never a name") as raised:
        Opening("main", "0", 1, "m", "0", "evaluate", who)
    assert not who or who not in str(raised.value)
