"""What a file calls a class, and which class of the ontology that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pathoai.ontology import Ontology


@dataclass(frozen=True)
class ClassNames:
    """Names in files, and the classes they stand for.

    Args:
        ontology: The study's classes.
        given: Key of a class by a file's name for it, as the user says; goes before all else.

    Raises:
        OntologyError: A class that the user names is unknown.
    """

    ontology: Ontology
    given: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse classes that are not there."""
        for key in self.given.values():
            self.ontology[key]

    def key_of(self, name: str) -> str:
        """Key of the class that a name stands for: the user's word, a key, or a full name.

        Raises:
            OntologyError: No class is called so; the message lists the classes.
        """
        if name in self.given:
            return self.given[name]
        if name in self.ontology:
            return name
        folded = name.strip().casefold()
        called = [
            c.key
            for c in self.ontology.classes
            if folded in (c.key, c.name.casefold(), c.name_fr.casefold())
        ]
        return called[0] if len(called) == 1 else self.ontology[name].key
