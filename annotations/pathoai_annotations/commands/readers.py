"""``pathoai readers``: who reads what, in which room, and what each signed off."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.cli.command import Command, add_action
from pathoai.cli.slide_options import add_slides, complete_codes
from pathoai.errors import InvalidValueError
from pathoai.study.study import Study

if TYPE_CHECKING:  # numpy, shapely and SQLAlchemy are heavy, and needed only once it runs
    from pathoai_annotations.readers.progress import Reading

Action = Callable[[Study, Namespace], None]
Add = Callable[[str, str, Action], ArgumentParser]

_EXAMPLES = {
    "assign": "assign my-study --readers R1 R2 --blind --adjudicator A1",
    "withdraw": "withdraw my-study --reader R2",
    "status": "status my-study",
    "room": "room my-study --reader R1 --out room-of-R1",
    "collect": "collect my-study room-of-R1",
    "sign-off": "sign-off my-study --reader R1 --slide ID",
    "reopen": "reopen my-study --reader R1 --slide ID",
    "queue": "queue my-study --n 20",
    "adjudicate": "adjudicate my-study --reader A1 --slide ID --grade hsil",
}


def configure(parser: ArgumentParser) -> None:
    words = parser.add_subparsers(metavar="ACTION", required=True)

    def add(name: str, summary: str, run: Action) -> ArgumentParser:
        found = add_action(words, name, summary, f"pathoai readers {_EXAMPLES[name]}")
        found.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
        found.set_defaults(action=run)
        return found

    _configure_assignments(add)
    _configure_rooms(add)
    _configure_verdicts(add)


def _configure_assignments(add: Add) -> None:
    assign = add("assign", "say who reads which slides, and who settles them", _assign)
    assign.add_argument("--readers", nargs="+", default=[], metavar="CODE", help="who reads")
    add_slides(assign)
    assign.add_argument(
        "--blind", action="store_true", help="readers see nothing of each other: rooms of their own"
    )
    assign.add_argument("--adjudicator", metavar="CODE", help="who settles where they differ")
    withdraw = add("withdraw", "take slides back from a person", _withdraw)
    _person(withdraw)
    add_slides(withdraw)
    add("status", "list who has signed off what", _status)


def _configure_rooms(add: Add) -> None:
    room = add("room", "make a reading room: a study with only what one reader may see", _room)
    _person(room)
    room.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    room.add_argument(
        "--with-predictions", default="", metavar="MODEL", help="the reader sees what it predicted"
    )
    add_slides(room)
    collect = add("collect", "bring the work of a reading room back", _collect)
    collect.add_argument("room", type=Path, metavar="FOLDER", help="the reading room")


def _configure_verdicts(add: Add) -> None:
    sign = add("sign-off", "say that a reader has finished a slide", _sign_off)
    _person(sign)
    _verdict(sign)
    sign.add_argument(
        "--with-model",
        action="store_true",
        help="the reader saw what a model predicted (a reading room knows that itself)",
    )
    reopen = add("reopen", "take a sign-off back: the reader has not finished", _reopen)
    _person(reopen)
    _about(reopen)
    queue = add("queue", "write what is to be settled, the costliest first", _queue)
    queue.add_argument("--n", type=int, metavar="N", help="at most so many (default: all)")
    queue.add_argument(
        "--out", type=Path, metavar="FILE.csv", help="(default: queue/adjudication.csv)"
    )
    settle = add("adjudicate", "settle the grade of a slide", _adjudicate)
    _person(settle)
    _verdict(settle, needs_grade=True)


def _person(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--reader", required=True, metavar="CODE", help="code of the person, never a name"
    )


def _verdict(parser: ArgumentParser, *, needs_grade: bool = False) -> None:
    _about(parser)
    parser.add_argument(
        "--grade", default="", required=needs_grade, metavar="KEY", help="its class, e.g. hsil"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="time spent on the slide")


def _about(parser: ArgumentParser) -> None:
    parser.add_argument("--slide", required=True, metavar="ID", help="the slide, by code or start")
    parser.add_argument("--comment", metavar="TEXT", help="no name belongs there")


def run(options: Namespace) -> None:
    study = Study(options.study)
    complete_codes(study, options)
    options.action(study, options)


def _chosen(study: Study, options: Namespace) -> list[str]:
    from pathoai.cli.each_slide import chosen_slides

    return [row.slide_id for row in chosen_slides(study, options.slides)]


def _assign(study: Study, options: Namespace) -> None:
    from pathoai_annotations.readers.assignment import Role, assign

    roles = dict.fromkeys(options.readers, Role.BLIND_READER if options.blind else Role.READER)
    if options.adjudicator in roles:
        raise InvalidValueError(
            "who reads cannot settle as well", where="--adjudicator", found=options.adjudicator
        )
    if options.adjudicator:
        roles[options.adjudicator] = Role.ADJUDICATOR
    if not roles:
        raise InvalidValueError("nobody to assign", allowed="--readers or --adjudicator")
    slides = _chosen(study, options)
    added = assign(study, slides, roles)
    people = ", ".join(f"{person} ({role})" for person, role in roles.items())
    print(f"{len(slides)} slides: {people}; {added} changes noted")
    for reader in options.readers if options.blind else ():
        print(f"  pathoai readers room {options.study} --reader {reader} --out room-{reader}")


def _withdraw(study: Study, options: Namespace) -> None:
    from pathoai_annotations.readers.assignment import Role, assign

    added = assign(study, _chosen(study, options), {options.reader: Role.NONE})
    print(f"{added} slides taken back from {options.reader}; what was signed off stays on record")


def _status(study: Study, options: Namespace) -> None:
    from pathoai_annotations.readers.progress import is_read, readings
    from pathoai_annotations.readers.room_sheet import room_sheet

    sheet = room_sheet(study)
    if sheet is not None:
        seen = f"sees what {sheet.model} predicted" if sheet.model else "sees no prediction"
        print(f"reading room of {sheet.reader}, who {seen}")
    found = readings(study)
    if not found:
        print("nobody is to read anything: run `pathoai readers assign STUDY --readers CODE`")
        return
    print(f"{'slide':<16}  {'person':<12}  {'role':<12}  signed off")
    for one in found:
        shown = sheet is not None or is_read(found, one.slide_id)
        state = _state(one) if shown or one.signed is None else "yes"
        print(f"{one.slide_id:<16}  {one.reader:<12}  {one.role:<12}  {state}")
    done = sum(one.signed is not None for one in found)
    print(f"{done} of {len(found)} signed off; what was said is shown once all have read a slide")


def _state(one: Reading) -> str:
    if one.signed is None:
        return "no, reopened" if one.reopened else "no"
    parts = [one.signed.grade or "without a grade"]
    if one.signed.seconds is not None:
        parts.append(f"{one.signed.seconds:.0f} s")
    if one.signed.with_model:
        parts.append("with the model's help")
    return ", ".join(parts)


def _room(study: Study, options: Namespace) -> None:
    from pathoai_annotations.readers.reading_room import make_room

    made = make_room(
        study,
        options.reader,
        options.out,
        model=options.with_predictions,
        slides=options.slides or (),
    )
    seen = f"predictions of {made.sheet.model}" if made.sheet.model else "no predictions"
    print(f"{options.out}: reading room of {options.reader}, {len(made.slides)} slides, {seen}")
    for slide_id in made.left_out:
        print(f"{slide_id}: not tiled yet, left out")
    print(f"  pathoai review {options.out} --reader {options.reader}")
    print(
        f"  pathoai readers sign-off {options.out} --reader {options.reader} --slide ID --grade …"
    )
    print(f"then: pathoai readers collect {options.study} {options.out}")


def _collect(study: Study, options: Namespace) -> None:
    from pathoai_annotations.readers.collect_room import collect_room

    report = collect_room(study, Study(options.room))
    nothing = "nothing new: all of it is in the study already"
    print(f"{report.new} new entries" if report.new else nothing)
    differing = sum(bool(conflict.changes) for conflict in report.conflicts)
    if differing:
        print(f"{differing} annotations were judged otherwise by others; both stay on record")


def _sign_off(study: Study, options: Namespace) -> None:
    from pathoai_annotations.readers.sign_off import sign_off_slide

    sign_off_slide(
        study,
        options.slide,
        reader=options.reader,
        grade=options.grade,
        seconds=options.seconds,
        comment=options.comment,
        with_model=options.with_model,
    )
    print(f"{options.slide}: signed off by {options.reader}")


def _reopen(study: Study, options: Namespace) -> None:
    from pathoai_annotations.readers.sign_off import reopen_slide

    reopen_slide(study, options.slide, reader=options.reader, comment=options.comment)
    print(f"{options.slide}: reopened by {options.reader}; sign it off again when it is read")


def _queue(study: Study, options: Namespace) -> None:
    from pathoai_annotations.agreement.adjudication_queue import (
        NAME,
        open_cases,
        write_adjudication_queue,
    )

    if options.n is not None and options.n < 1:
        raise InvalidValueError("cases wanted", where="--n", found=options.n, allowed="1 or more")
    cases = open_cases(study)
    chosen = cases[: options.n]
    path = options.out or study.queue_path(NAME)
    write_adjudication_queue(path, study, chosen)
    for place, case in enumerate(chosen, start=1):
        r = case.region
        where = "slide" if r is None else f"x {r.x:.0f} y {r.y:.0f}"
        print(f"{place:>3} {case.slide_id} {where:<20} cost {case.cost:.2f}  {case.words}")
    name = f"queue/{NAME}.csv in the study" if options.out is None else options.out.name
    print(f"{len(chosen)} of {len(cases)} cases written to {name}")


def _adjudicate(study: Study, options: Namespace) -> None:
    from pathoai_annotations.readers.sign_off import adjudicate_slide

    adjudicate_slide(
        study,
        options.slide,
        adjudicator=options.reader,
        grade=options.grade,
        seconds=options.seconds,
        comment=options.comment,
    )
    print(f"{options.slide}: settled as {options.grade} by {options.reader}")


COMMAND = Command(
    "readers",
    "say who reads what, blind or open, and collect what they signed off",
    "pathoai readers assign my-study --readers R1 R2 --blind --adjudicator R3",
    configure,
    run,
)
