"""Words of opening and saving files."""

from __future__ import annotations

ENGLISH: dict[str, str] = {
    "outlines_of": "Outlines: {file}",
    "points_of": "Points: {file}",
    "outlines_are_seen": "{count} outlines of {file} are shown, not saved: "
    "`pathoai annotations import STUDY {file}` enters them as proposals",
    "choose_geojson": "Show outlines of a GeoJSON file",
    "save_geojson": "Write the selected layers as GeoJSON",
    "geojson_files": "GeoJSON of QuPath (*.geojson *.geojson.gz *.json)",
}

FRENCH: dict[str, str] = {
    "outlines_of": "Contours : {file}",
    "points_of": "Points : {file}",
    "outlines_are_seen": "{count} contours de {file} sont affichés, non enregistrés : "
    "`pathoai annotations import STUDY {file}` les ajoute comme propositions",
    "choose_geojson": "Afficher les contours d'un fichier GeoJSON",
    "save_geojson": "Écrire les calques sélectionnés en GeoJSON",
    "geojson_files": "GeoJSON de QuPath (*.geojson *.geojson.gz *.json)",
}
