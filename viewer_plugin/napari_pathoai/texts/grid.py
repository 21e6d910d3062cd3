"""The grid of thumbnails."""

from __future__ import annotations

ENGLISH: dict[str, str] = {
    "tab_grid": "Grid",
    "group_grid": "Grid (while it is clicked)",
    "grid_class": "{name} ({count:,})",
    "grid_surest": "Surest first",
    "grid_least_sure": "Least sure first",
    "grid_this_slide": "This slide",
    "grid_all_slides": "All my slides",
    "grid_page": "Page {page} of {pages}, of {count:,}",
    "grid_empty": "no open proposal",
    "grid_selected": "{count:,} selected",
    "grid_accept": "Accept",
    "grid_reject": "Reject",
    "grid_relabel": "Class {number} for selected",
    "grid_relabel_as": "Give selected the class…",
    "grid_select_all": "Select page",
    "grid_done": "{count:,} judged at once",
    "grid_none": "select some thumbnails first",
    "grid_tip": "{name} {confidence}\n{slide}",
}

FRENCH: dict[str, str] = {
    "tab_grid": "Grille",
    "group_grid": "Grille (une fois cliquée)",
    "grid_class": "{name} ({count:,})",
    "grid_surest": "Les plus sûres d'abord",
    "grid_least_sure": "Les moins sûres d'abord",
    "grid_this_slide": "Cette lame",
    "grid_all_slides": "Toutes mes lames",
    "grid_page": "Page {page} sur {pages}, de {count:,}",
    "grid_empty": "aucune proposition ouverte",
    "grid_selected": "{count:,} sélectionnées",
    "grid_accept": "Accepter",
    "grid_reject": "Rejeter",
    "grid_relabel": "Classe {number} à la sélection",
    "grid_relabel_as": "Donner à la sélection la classe…",
    "grid_select_all": "Toute la page",
    "grid_done": "{count:,} jugées d'un coup",
    "grid_none": "sélectionnez d'abord des vignettes",
    "grid_tip": "{name} {confidence}\n{slide}",
}
