"""What a figure says, in English and in French."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.ontology import LabelClass


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language; those with braces are filled in.

    Args:
        language: ``en`` or ``fr``.
        decimal: Sign before the decimals.
        thousands: Sign between groups of three digits.
    """

    language: str
    decimal: str
    thousands: str
    predicted: str
    annotated: str
    labelled: str
    artefacts: str
    tissue: str
    probability: str
    entropy: str
    mutual_information: str
    density: str
    attention: str
    attention_map: str
    objects: str
    of_tissue: str
    none_here: str
    slide: str
    model: str
    map: str
    store: str
    scale: str
    areas: str
    glass: str
    kernel: str
    heaviest: str
    grade: str
    referred: str
    proposal: str

    def number(self, value: float, digits: int) -> str:
        """A number as this language writes it; its digits are not broken over two lines."""
        return self._written(f"{value:,.{digits}f}")

    def plain(self, value: float, significant: int = 3) -> str:
        """A number without needless digits, never as a power of ten."""
        text = f"{float(f'{value:.{significant}g}'):,.6f}".rstrip("0").rstrip(".")
        return self._written(text)

    def _written(self, english: str) -> str:
        return english.translate(str.maketrans(",.", self.thousands + self.decimal))

    def name(self, label: LabelClass) -> str:
        """What a class is called."""
        return label.name_fr if self.language == "fr" else label.name


ENGLISH = Words(
    language="en",
    decimal=".",
    thousands=",",
    predicted="Predicted class",
    annotated="Annotated class",
    labelled="Class",
    artefacts="Artefact",
    tissue="Tissue",
    probability="Probability: {}",
    entropy="Uncertainty (entropy, share of its largest value)",
    mutual_information="Disagreement (mutual information, share of the largest entropy)",
    density="{} per mm²",
    attention="Attention (% of the slide's)",
    attention_map="Attention (% of the slide's, per tile)",
    objects="Objects",
    of_tissue="of tissue",
    none_here="none in this picture",
    slide="Slide {}",
    model="model {} (bundle {})",
    map="map {}",
    store="store {}",
    scale="{} µm per pixel",
    areas="areas measured at {} µm per pixel",
    glass="glass outside the tissue shown white",
    kernel="density: Gaussian kernel of {} µm standard deviation",
    heaviest="the {} tiles of {} that weighed most, {} % of all attention",
    grade="proposed grade: {}",
    referred="referred to the doctor",
    proposal="A prediction, not a diagnosis.",
)

FRENCH = Words(
    language="fr",
    decimal=",",
    thousands="\u00a0",
    predicted="Classe prédite",
    annotated="Classe annotée",
    labelled="Classe",
    artefacts="Artefact",
    tissue="Tissu",
    probability="Probabilité : {}",
    entropy="Incertitude (entropie, part de sa valeur maximale)",
    mutual_information="Désaccord (information mutuelle, part de l'entropie maximale)",
    density="{} par mm²",
    attention="Attention (% de celle de la lame)",
    attention_map="Attention (% de celle de la lame, par tuile)",
    objects="Objets",
    of_tissue="du tissu",
    none_here="aucune dans cette image",
    slide="Lame {}",
    model="modèle {} (version {})",
    map="carte {}",
    store="image {}",
    scale="{} µm par pixel",
    areas="surfaces mesurées à {} µm par pixel",
    glass="verre hors du tissu montré en blanc",
    kernel="densité : noyau gaussien d'écart-type {} µm",
    heaviest="les {} tuiles sur {} de plus grand poids, {} % de toute l'attention",
    grade="grade proposé : {}",
    referred="laissé au médecin",
    proposal="Une prédiction, pas un diagnostic.",
)

LANGUAGES = {words.language: words for words in (ENGLISH, FRENCH)}
