"""The plugin's sample data: a generated slide with the truth that it was painted from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_pathoai.picture.layers import LayerData

SAMPLE_WIDTH_PX = 2048
SAMPLE_HEIGHT_PX = 1536
SAMPLE_MPP = 0.5


def generated_slide() -> list[LayerData]:
    """A cervical biopsy painted in memory (about 3 s), and the outlines of its regions."""
    from napari_pathoai.drawing.outlines import parts_of, vertices_of
    from napari_pathoai.picture.layers import METADATA, slide_layers, vector_frame
    from pathoai.geometry import Mpp
    from pathoai.ontology import load_ontology
    from pathoai.slide.memory_reader import MemoryReader
    from pathoai.testing.generated_slide import SlideRecipe, painter_of, plan_slide

    recipe = SlideRecipe(
        width=SAMPLE_WIDTH_PX, height=SAMPLE_HEIGHT_PX, mpp=SAMPLE_MPP, seed=3, organ="cervix"
    )
    truth = plan_slide(recipe)
    mpp = Mpp.square(recipe.mpp)
    pixels = painter_of(truth).paint(0, 0, recipe.width, recipe.height)
    image = slide_layers(MemoryReader(pixels, mpp=mpp, slide_id=recipe.code), name=recipe.code)
    ontology = load_ontology("cervix")
    outlines, colours, keys = [], [], []
    for region in truth.regions:
        for part in parts_of(region.polygon):
            outlines.append(vertices_of(part))
            colours.append(ontology[region.class_key].colour)
            keys.append(region.class_key)
    settings = {
        "name": f"{recipe.code} regions",
        "shape_type": "polygon",
        "edge_color": colours,
        "face_color": "transparent",
        "edge_width": 6,
        "features": {"label": keys},
        "metadata": {METADATA: {"kind": "truth"}},
        **vector_frame(mpp),
    }
    return [*image, (outlines, settings, "shapes")]
