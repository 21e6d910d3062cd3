"""``pathoai annotations log|show|diff|delete|restore|comment|check|merge``: the journal's words."""

from __future__ import annotations

import json
import uuid
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathoai.cli.command import add_action
from pathoai.errors import InvalidValueError
from pathoai.study.study import Study

if TYPE_CHECKING:  # shapely and SQLAlchemy are heavy, and needed only once the command runs
    from pathoai_annotations.annotation import Annotation
    from pathoai_annotations.journal.event import Event
    from pathoai_annotations.journal.history import Difference
    from pathoai_annotations.journal.journal import Journal
    from pathoai_annotations.journal.merge import Conflict

_TIME = (
    "e.g. 2026-05-01T12:00+02:00, or the number of an edit; without a zone: this computer's time"
)
_NONE = "-"
_ID = "8e1f0c9a-52d1-4e0a-9a7b-3c8e5d2f6b10"
_EXAMPLES = {
    "log": "log my-study --author R1",
    "show": "show my-study --at 2026-05-01T12:00+02:00",
    "diff": "diff my-study --authors R1 R2",
    "check": "check my-study",
    "delete": f"delete my-study --annotation {_ID} --author R1",
    "restore": f"restore my-study --annotation {_ID} --at 120 --author R1",
    "comment": 'comment my-study --slide ID --text "out of focus" --author R1',
    "merge": "merge my-study colleagues-study",
}


def configure(words: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add the words to ``pathoai annotations``."""
    _add_questions(words)
    _add_edits(words)


def _add_questions(words: Any) -> None:  # noqa: ANN401 - likewise
    log = _word(words, "log", "list every edit, comment and sign-off", _log)
    _add_choice(log)
    log.add_argument("--annotation", type=uuid.UUID, metavar="ID", help="only of this annotation")
    log.add_argument("--since", metavar="TIME", help=f"only later ones; {_TIME}")
    show = _word(words, "show", "list annotations, as they are or as they were", _show)
    _add_choice(show)
    show.add_argument("--at", metavar="TIME", help=_TIME)
    diff = _word(words, "diff", "compare two moments, or what two readers said", _diff)
    _add_choice(diff, author=False)
    between = diff.add_mutually_exclusive_group(required=True)
    between.add_argument("--from", dest="since", metavar="TIME", help=_TIME)
    between.add_argument("--authors", nargs=2, metavar="CODE", help="two readers")
    diff.add_argument("--to", metavar="TIME", help=f"now if left out; {_TIME}")
    check = _word(words, "check", "check the journal: pages, edits, present states", _check)
    check.add_argument("--rebuild", action="store_true", help="make the present states again")


def _add_edits(words: Any) -> None:  # noqa: ANN401 - likewise
    delete = _word(words, "delete", "take annotations away; they stay in the log", _delete)
    _add_ids(delete, required=True)
    _add_author(delete)
    restore = _word(words, "restore", "bring a past state back, as new edits", _restore)
    chosen = restore.add_mutually_exclusive_group(required=True)
    _add_ids(chosen, required=False)
    chosen.add_argument("--slide", metavar="ID", help="all of this slide: later ones are deleted")
    chosen.add_argument("--edit", type=int, metavar="NUMBER", help="as this edit left it")
    restore.add_argument("--at", metavar="TIME", help=_TIME)
    _add_author(restore)
    comment = _word(words, "comment", "say something of an annotation or a slide", _comment)
    about = comment.add_mutually_exclusive_group(required=True)
    about.add_argument("--annotation", type=uuid.UUID, metavar="ID", help="of this annotation")
    about.add_argument("--slide", metavar="ID", help="of this slide")
    comment.add_argument("--text", required=True, help="what you say; never a name")
    comment.add_argument("--author", required=True, help="your code, e.g. R1; never a name")
    comment.set_defaults(writes=True)
    merge = _word(words, "merge", "take a colleague's journal in", _merge)
    merge.add_argument("other", type=Path, metavar="OTHER", help="their journal or study folder")


def _word(words: Any, name: str, summary: str, action: object) -> ArgumentParser:  # noqa: ANN401 - likewise
    parser = add_action(words, name, summary, f"pathoai annotations {_EXAMPLES[name]}")
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    if name in ("log", "show", "diff", "check", "merge"):
        parser.add_argument("--json", action="store_true", help="for programs: JSON, one a line")
    parser.set_defaults(action=action)
    return parser


def _add_choice(parser: ArgumentParser, *, author: bool = True) -> None:
    parser.add_argument("--slide", metavar="ID", help="only this slide")
    if author:
        parser.add_argument("--author", metavar="CODE", help="only of this code")


def _add_ids(parser: Any, *, required: bool) -> None:  # noqa: ANN401 - a parser or a group of one
    parser.add_argument(
        "--annotation", nargs="+", type=uuid.UUID, metavar="ID", required=required, help="which"
    )


def _add_author(parser: ArgumentParser) -> None:
    parser.set_defaults(writes=True)
    parser.add_argument("--author", required=True, help="your code, e.g. R1; never a name")
    parser.add_argument("--comment", metavar="TEXT", help="why; never a name")


def _moment(text: str, option: str) -> datetime | int:
    """A moment with a time zone, this computer's where the text has none, or an edit's number."""
    if text.isdecimal():
        return int(text)
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise InvalidValueError(
            "no moment", where=option, found=repr(text), allowed=_TIME
        ) from error


def _said(moment: datetime | int) -> str:
    """The moment as it was understood, so that nobody mistakes one time zone for another."""
    return f"edit {moment}" if isinstance(moment, int) else moment.isoformat()


def _state(
    journal: Journal, moment: datetime | int | None, slide_id: str | None
) -> list[Annotation]:
    if isinstance(moment, int):
        return journal.annotations(slide_id, at_seq=moment)
    return journal.annotations(slide_id, at=moment)


def _print_json(record: dict[str, Any]) -> None:
    print(json.dumps(record, allow_nan=False))


def _log(study: Study, journal: Journal, options: Namespace) -> None:
    since = _moment(options.since, "--since") if options.since else 0
    since_seq = since if isinstance(since, int) else journal.seq_at(since)
    found = journal.events(options.slide, annotation_id=options.annotation, since_seq=since_seq)
    for event in found:
        if options.author in (None, event.author):
            _print_json(_event_record(event)) if options.json else print(*_event_words(event))


def _event_words(event: Event) -> list[str]:
    label = _NONE if event.annotation is None else event.annotation.label
    words = [str(event.seq), event.at, event.author, event.operation.value, event.slide_id]
    words += [str(event.annotation_id or _NONE), label]
    words += _region_words(event)
    if event.grade:
        words.append(f"grade {event.grade}")
    if event.seconds is not None:
        words.append(f"{event.seconds:g} s")
    if event.annotation is not None and not event.stands:
        words.append("(set aside by a merge)")
    if event.undoes or event.redoes:
        words.append("(undo)" if event.undoes else "(redo)")
    if event.comment:
        words.append(json.dumps(event.comment, ensure_ascii=False))  # a line stays a line
    return words


def _region_words(event: Event) -> list[str]:
    if event.region is None:
        return []
    r = event.region
    words = [f"x {r.x:g}-{r.right:g} y {r.y:g}-{r.bottom:g}"]
    words += [part for part in (event.outcome, event.kind, event.model) if part]
    return [*words, "model seen"] if event.with_model else words


def _event_record(event: Event) -> dict[str, Any]:
    record = {
        "seq": event.seq,
        "event_id": str(event.event_id),
        "at": event.at,
        "made_at": event.made_at,
        "author": event.author,
        "tool": event.tool,
        "operation": event.operation.value,
        "slide_id": event.slide_id,
        "annotation_id": _text(event.annotation_id),
        "stands": event.stands,
        "seconds": event.seconds,
        "comment": event.comment,
        "grade": event.grade,
        "with_model": event.with_model,
        "action": _text(event.action),
        "undoes": _text(event.undoes),
        "redoes": _text(event.redoes),
        "region": None if event.region is None else asdict(event.region),
        "outcome": event.outcome,
        "kind": event.kind,
        "model": event.model,
    }
    return record | {"annotation": _annotation_record(event.annotation)}


def _text(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)


def _annotation_record(annotation: Annotation | None) -> dict[str, Any] | None:
    if annotation is None:
        return None
    from shapely.geometry import mapping

    return {
        "id": str(annotation.id),
        "slide_id": annotation.slide_id,
        "label": annotation.label,
        "status": annotation.status.value,
        "origin": annotation.origin.value,
        "author": annotation.author,
        "confidence": annotation.confidence,
        "derived_from": annotation.derived_from,
        "measurements": dict(annotation.measurements),
        "geometry": mapping(annotation.geometry),
    }


def _annotation_words(annotation: Annotation) -> str:
    left, top, right, bottom = annotation.geometry.bounds
    a = annotation
    place = f"x {left:g}-{right:g} y {top:g}-{bottom:g}"
    return f"{a.slide_id} {a.id} {a.label} {a.status} {a.author} {place}"


def _show(study: Study, journal: Journal, options: Namespace) -> None:
    moment = _moment(options.at, "--at") if options.at else None
    found = _state(journal, moment, options.slide)
    if options.author:
        found = [a for a in found if a.author == options.author]
    if options.json:
        for annotation in found:
            _print_json(_annotation_record(annotation) or {})
        return
    print(f"{len(found)} annotations" + ("" if moment is None else f" at {_said(moment)}"))
    for annotation in found:
        print(_annotation_words(annotation))


def _diff(study: Study, journal: Journal, options: Namespace) -> None:
    from pathoai_annotations.journal.history import differences

    slide_id = options.slide
    if options.authors:
        if options.to:
            raise InvalidValueError("--to goes with --from", where="--to", found=options.to)
        names = [f"reader {code}" for code in options.authors]
        states = [journal.annotations_of(code, slide_id) for code in options.authors]
    else:
        start = _moment(options.since, "--from")
        end = _moment(options.to, "--to") if options.to else None
        names = [_said(start), "now" if end is None else _said(end)]
        states = [_state(journal, start, slide_id), _state(journal, end, slide_id)]
    found = differences(*states)
    if options.json:
        for difference in found:
            _print_json(_difference_record(difference))
        return
    print(f"{len(found)} annotations differ between {names[0]} and {names[1]}")
    for difference in found:
        print(f"{'+'.join(difference.changes)}: {_difference_words(difference)}")


def _difference_words(difference: Difference) -> str:
    words = _annotation_words(difference.annotation)
    before, after = difference.before, difference.after
    if before is not None and after is not None:
        words += f" (was {before.label} {before.status} {before.author})"
    return words


def _difference_record(difference: Difference) -> dict[str, Any]:
    return {
        "changes": list(difference.changes),
        "before": _annotation_record(difference.before),
        "after": _annotation_record(difference.after),
    }


def _check(study: Study, journal: Journal, options: Namespace) -> None:
    from pathoai_annotations.journal.check import check_journal
    from pathoai_annotations.journal.merge import open_conflicts

    if options.rebuild:
        journal.rebuild_present()
    report = check_journal(journal)
    conflicts = open_conflicts(journal)
    if options.json:
        record = {"edits": report.edits, "annotations": report.annotations}
        _print_json(record | {"conflicts": [_conflict_record(c) for c in conflicts]})
        return
    print(f"{report.edits} edits whole; {report.annotations} annotations are as the log says")
    _print_conflicts(conflicts)


def _delete(study: Study, journal: Journal, options: Namespace) -> None:
    journal.delete(options.annotation, author=options.author, comment=options.comment)
    print(f"{len(options.annotation)} annotations deleted; `restore` brings them back")


def _restore(study: Study, journal: Journal, options: Namespace) -> None:
    if (options.at is None) == (options.edit is None):
        raise InvalidValueError(
            "restore what was when?",
            where="--at",
            allowed="--at TIME with --annotation or --slide, or --edit NUMBER alone",
        )
    if options.edit is not None:
        restored = [
            journal.restore_edit(options.edit, author=options.author, comment=options.comment)
        ]
        print(f"restored as edit {options.edit} left it: {_annotation_words(restored[0])}")
        return
    moment = _moment(options.at, "--at")
    details = {"at": moment, "author": options.author, "comment": options.comment}
    if options.slide:
        changed = journal.restore_slide(options.slide, **details)
    else:
        changed = journal.restore(options.annotation, **details)
    print(f"{len(changed)} annotations are as they were at {_said(moment)}")


def _comment(study: Study, journal: Journal, options: Namespace) -> None:
    journal.comment(
        options.text,
        annotation_id=options.annotation,
        slide_id=options.slide,
        author=options.author,
    )


def _merge(study: Study, journal: Journal, options: Namespace) -> None:
    from pathoai_annotations.journal.merge import colleagues_journal, merge_journal

    slide_ids = [row.slide_id for row in study.cohort]
    with colleagues_journal(options.other) as theirs:
        report = merge_journal(journal, theirs, slide_ids)
    differing = [c for c in report.conflicts if c.changes]
    if options.json:
        record = {"new": report.new, "known": report.known}
        _print_json(record | {"conflicts": [_conflict_record(c) for c in differing]})
        return
    print(f"{report.new} edits new, {report.known} known before")
    if len(differing) < len(report.conflicts):
        print(f"{len(report.conflicts) - len(differing)} annotations judged alike on both sides")
    _print_conflicts(differing)


def _print_conflicts(conflicts: Iterable[Conflict]) -> None:
    for conflict in conflicts:
        print(
            f"conflict: here {_side(conflict.ours)}; there {_side(conflict.theirs)}; theirs is "
            f"set aside: `restore --edit {conflict.seq}` takes it"
        )


def _side(annotation: Annotation | None) -> str:
    return "deleted" if annotation is None else _annotation_words(annotation)


def _conflict_record(conflict: Conflict) -> dict[str, Any]:
    return {
        "edit": conflict.seq,
        "changes": list(conflict.changes),
        "ours": _annotation_record(conflict.ours),
        "theirs": _annotation_record(conflict.theirs),
    }
