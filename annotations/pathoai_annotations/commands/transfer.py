"""``pathoai annotations transfer``: from one slide of a pair to the other, by registration."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathoai.cli.command import add_action
from pathoai.errors import AnnotationError, InvalidValueError
from pathoai.provenance import utc_now
from pathoai.study.study import Study

if TYPE_CHECKING:  # shapely and SQLAlchemy are heavy, and needed only once the command runs
    from pathoai_annotations.annotation import Annotation
    from pathoai_annotations.journal.journal import Journal
    from pathoai_annotations.transfer import Transfer

_LISTED = 20


def configure(words: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add the action to those of ``pathoai annotations``."""
    parser = add_action(
        words,
        "transfer",
        "carry annotations, or a label, to a registered twin, as proposals",
        "pathoai annotations transfer my-study --from ID --to ID-OF-ITS-TWIN",
    )
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study folder")
    parser.add_argument("--from", dest="near", required=True, metavar="ID", help="from this slide")
    parser.add_argument(
        "--to", dest="far", nargs="+", required=True, metavar="ID", help="to these of its pair"
    )
    parser.add_argument("--status", nargs="+", help="only of these (default: all but rejected)")
    parser.add_argument("--by", metavar="CODE", help="only what this code last changed")
    parser.add_argument(
        "--label",
        metavar="NAME",
        help="carry this label of the store instead, e.g. prediction/nuclei; it becomes "
        "transfer/prediction.nuclei there",
    )
    parser.set_defaults(action=_transfer)


def _transfer(study: Study, journal: Journal, options: Namespace) -> None:
    near = study.cohort.named(options.near).slide_id
    named = [study.cohort.named(start).slide_id for start in options.far]
    targets = list(dict.fromkeys(named))
    if options.label is not None:
        if options.status or options.by:
            raise InvalidValueError(
                "a label has no status and no author of its parts",
                where="--label",
                remedy="leave --status and --by out",
            )
        for far in targets:
            _carry_label(study, near, far, options.label)
        return
    chosen = _chosen(journal, near, options)
    for far in targets:
        _carry(study, journal, chosen, near, far)


def _chosen(journal: Journal, slide_id: str, options: Namespace) -> list[Annotation]:
    from pathoai_annotations.commands.exchange import statuses_named

    found = journal.annotations(slide_id, status=statuses_named(options.status))
    chosen = [a for a in found if options.by in (None, a.author)]
    if not chosen:
        raise AnnotationError(
            "no annotation to carry",
            where=slide_id,
            remedy="see `pathoai annotations summary STUDY`; --status and --by leave some out",
        )
    return chosen


def _carry(study: Study, journal: Journal, chosen: list[Annotation], near: str, far: str) -> None:
    from pathoai.provenance import ProvenanceRecord
    from pathoai.registration.passage import passage_between
    from pathoai_annotations.transfer import transfer_annotations

    started = utc_now()
    passage = passage_between(study, near, far)
    done = transfer_annotations(journal, chosen, passage)
    counts = {"new": done.new, "replaced": done.replaced, "refused": len(done.refused)}
    ProvenanceRecord(
        "annotations transfer",
        {"from": near, "to": far, "annotations": len(chosen)}
        | {"neighbouring": passage.is_of_neighbours}
        | counts,
        {"registration": passage.identity},
        {},
        started,
        utc_now(),
    ).write(study.provenance_path)
    for line in _lines(done, len(chosen), near, far):
        print(line)
    if len(done.refused) == len(chosen):
        raise AnnotationError(
            "none of the annotations can be carried",
            where=f"{near} to {far}",
            found="; ".join(sorted(set(done.refused.values()))),
        )


def _lines(done: Transfer, count: int, near: str, far: str) -> list[str]:
    parts = [
        (done.new, "new, all proposals"),
        (done.replaced, "older copies replaced"),
        (done.known, "there already"),
        (done.judged, "whose older copy was judged: it stays"),
        (done.returned, "that came from there"),
        (len(done.refused), "refused"),
    ]
    said = [f"{number} {words}" for number, words in parts if number or words.startswith("new")]
    lines = [f"{near} to {far}: {count} annotations: {', '.join(said)}"]
    listed = list(done.refused.items())
    lines += [f"  refused {annotation_id}: {why}" for annotation_id, why in listed[:_LISTED]]
    if len(listed) > _LISTED:
        lines.append(f"  and {len(listed) - _LISTED} more")
    return lines


def _carry_label(study: Study, near: str, far: str, name: str) -> None:
    from pathoai.progress import progress_bar
    from pathoai.provenance import ProvenanceRecord, sha256_of_json
    from pathoai.registration.passage import passage_between
    from pathoai.registration.transfer_label import transfer_label
    from pathoai.store.slide_store import SlideStore

    started = utc_now()
    source, target = (SlideStore(study.store_path(slide_id)) for slide_id in (near, far))
    passage = passage_between(study, far, near)
    with progress_bar(f"carrying {name}") as advance:
        found = transfer_label(source.label(name), source, target, passage, advance=advance)
    ProvenanceRecord(
        "annotations transfer",
        {"from": near, "to": far, "label": name},
        {"registration": passage.identity, f"store/{near}": source.identity},
        {f"{found.name}/{far}": sha256_of_json(found.shards)},
        started,
        utc_now(),
    ).write(study.provenance_path)
    print(f"{near} to {far}: label {found.name}, {found.mpp:g} µm per pixel")
