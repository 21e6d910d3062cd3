"""What a model proposes, and what is said of it."""

from __future__ import annotations

ENGLISH: dict[str, str] = {
    "decide": "Decide",
    "accept": "Accept",
    "reject": "Reject",
    "next": "Next proposal",
    "propose": "Propose from prediction in view",
    "proposed_new": "{new} proposals added, {known} were there already",
    "proposed_cut": "{new} proposals added, {known} were there already; "
    "{beyond} more in view: zoom in and propose again",
    "no_proposal": "no proposal is left on this slide",
    "nothing_selected": "select an annotation first",
    "no_prediction": "this slide has no prediction yet: run `pathoai predict`",
}

FRENCH: dict[str, str] = {
    "decide": "Décider",
    "accept": "Accepter",
    "reject": "Rejeter",
    "next": "Proposition suivante",
    "propose": "Proposer depuis la prédiction à l'écran",
    "proposed_new": "{new} propositions ajoutées, {known} existaient déjà",
    "proposed_cut": "{new} propositions ajoutées, {known} existaient déjà ; "
    "{beyond} autres à l'écran : zoomez et recommencez",
    "no_proposal": "plus aucune proposition sur cette lame",
    "nothing_selected": "sélectionnez d'abord une annotation",
    "no_prediction": "pas encore de prédiction pour cette lame : lancez `pathoai predict`",
}
