"""The words of sheets and portals, in French and English."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")

_FRENCH = {
    "this_language": "Français",
    "sheet": "Fiche de transparence",
    "why": "Cette fiche informe les personnes dont des lames sont utilisées dans cette étude.",
    "title": "Étude",
    "study": "L'étude",
    "people": "Les personnes et leurs droits",
    "done": "Ce qui a été fait",
    "purpose": "Finalité",
    "specialty": "Spécialité",
    "study_type": "Type d'étude",
    "year": "Année",
    "responsible": "Responsable",
    "legal_basis": "Base légale",
    "categories": "Catégories de données",
    "recipients": "Destinataires",
    "retention_until": "Conservation jusqu'au",
    "rights": "Vos droits : accès, rectification, opposition",
    "dpo_contact": "Délégué à la protection des données",
    "slides": "Lames",
    "patients": "Patients",
    "models": "Modèles entraînés",
    "packages": "Jeux de données constitués",
    "opposition_applied": "Dernière application de la liste d'opposition",
    "none": "aucun",
    "never": "non consignée",
    "masked": "Les effectifs de 1 à 10 sont indiqués « <11 ».",
    "package": "version {version} ({tier}), le {day}",
    "portal": "Portail de transparence",
    "portal_why": "Études qui utilisent des lames numérisées. Cliquez sur le titre d'une colonne "
    "pour trier.",
    "back": "Toutes les études",
    "machine": "Pour les programmes : JSON",
}
_ENGLISH = {
    "this_language": "English",
    "sheet": "Transparency sheet",
    "why": "This sheet is for the people whose slides are used in this study.",
    "title": "Study",
    "study": "The study",
    "people": "People and their rights",
    "done": "What was done",
    "purpose": "Purpose",
    "specialty": "Specialty",
    "study_type": "Type of study",
    "year": "Year",
    "responsible": "Responsible",
    "legal_basis": "Legal basis",
    "categories": "Categories of data",
    "recipients": "Recipients",
    "retention_until": "Kept until",
    "rights": "Your rights: access, rectification, objection",
    "dpo_contact": "Data protection officer",
    "slides": "Slides",
    "patients": "Patients",
    "models": "Models trained",
    "packages": "Data sets made",
    "opposition_applied": "List of objections last applied",
    "none": "none",
    "never": "not noted",
    "masked": "Counts of 1 to 10 are given as “<11”.",
    "package": "version {version} ({tier}), on {day}",
    "portal": "Transparency portal",
    "portal_why": "Studies that use digitised slides. Click on the title of a column to sort.",
    "back": "All studies",
    "machine": "For programs: JSON",
}
WORDS = MappingProxyType({"fr": MappingProxyType(_FRENCH), "en": MappingProxyType(_ENGLISH)})
"""Language → key → text."""
