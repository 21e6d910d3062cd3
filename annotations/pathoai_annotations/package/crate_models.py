"""Models in the crate: each a program that was run on slides, and proposed outlines of them."""

from __future__ import annotations

from urllib.parse import quote

from rocrate.model import ContextEntity, SoftwareApplication
from rocrate.rocrate import ROCrate

from pathoai_annotations.package import layout
from pathoai_annotations.package.models import PackagedModel
from pathoai_annotations.package.summary import PackageSummary

Reference = dict[str, str]


def add_models(crate: ROCrate, summary: PackageSummary) -> list[Reference]:
    """Add an action for each model: its instrument is the model, its objects are slides.

    Args:
        crate: With its files and slides.
        summary: Names the models, and the slides on which each proposed something.

    Returns:
        The actions.
    """
    return [_add_model(crate, summary, model) for model in summary.models]


def _add_model(crate: ROCrate, summary: PackageSummary, model: PackagedModel) -> Reference:
    identity, action = f"#model-{model.code}", f"#proposals-{model.code}"
    facts = {
        "name": model.name,
        "version": model.sha256 or "not stated",
        "identifier": model.sha256 or model.name,
        "url": f"pkg:generic/{quote(model.name, safe='')}@{model.sha256 or 'unknown'}",
        "description": "A model that proposed annotations, which readers then judged",
        "subjectOf": {"@id": model.card},
    }
    crate.add(SoftwareApplication(crate, identity, facts))
    slides = summary.models[model]
    # Who ran it, and when, no annotation states: neither is said.
    run = {
        "@type": "CreateAction",
        "name": f"Proposals of model {model.name}",
        "description": "The model proposed outlines; what of them readers stand behind is in the "
        "results, where the column derived_from of tables/annotations.csv names the model.",
        "instrument": {"@id": identity},
        "object": [{"@id": f"#slide-{slide_id}"} for slide_id in slides],
        "result": [{"@id": layout.geojson_name(slide_id)} for slide_id in slides],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    crate.add(ContextEntity(crate, action, run))
    return {"@id": action}
