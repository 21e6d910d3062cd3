from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pathoai.errors import InvalidValueError, ModelError, PathoaiError, RecipeError
from pathoai.study.study import Study
from pathoai_training.recipes.build import build
from pathoai_training.recipes.recipe import read_recipe, recipe_path, shipped_recipes
from pathoai_training.splits.split import SplitKind

NAME = "breast-tissue-segmentation"


def test_recipes_ship_with_the_package() -> None:
    assert NAME in shipped_recipes()
    for name in shipped_recipes():
        assert recipe_path(name).is_file()


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=f"allowed: .*{NAME}.*did you mean '{NAME}'"):
        recipe_path("breast-tissue-segmentaton")


def test_own_recipe_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(recipe_path(NAME).read_text("utf8"), "utf8")
    recipe = read_recipe(path, ["seed=7"])
    assert (recipe.name, recipe.content["seed"]) == ("mine", 7)


@pytest.mark.parametrize("key", ["model.learning_rate", "--model.init_args.learning_rate"])
def test_short_and_long_overrides_mean_the_same(key: str, study: Study) -> None:
    recipe = read_recipe(NAME, [f"{key}=1e-3"])
    assert build(recipe, study=study.path, split=SplitKind.AREA).model.learning_rate == 0.001


@pytest.mark.parametrize(
    ("override", "kind", "says"),
    [
        ("modle.learning_rate=1", RecipeError, "did you mean 'model'"),
        ("model.learning_rat=1", RecipeError, "model: unknown key.*did you mean 'learning_rate'"),
        ("data.spec.mppx=1", RecipeError, "data.spec: unknown key.*did you mean 'mpp'"),
        ("data.augmentation.stain=1", RecipeError, "data.augmentation.*did you mean 'stain_s"),
        ("data.augmentation.blur.sigma=1", RecipeError, "augmentation.blur: unknown.*'sigma_um'"),
        ("data.augmentation.noise=3", RecipeError, "augmentation.noise: several values are wanted"),
        ("data.augmentation.affine.scale=2", InvalidValueError, "affine.scale.*0 to 0.5"),
        ("data.augmentation.where=gpu", RecipeError, "augmentation.where.*gpu"),
        ("trainer.max_step=1", RecipeError, "trainer: unknown key.*did you mean 'max_steps'"),
        ("data.study=elsewhere", RecipeError, "unknown key; found 'study'"),
        ("model.class_path=nowhere.Nothing", RecipeError, "no such class"),
        ("model.class_path=pathlib.Path", RecipeError, "of another kind.*task.Task"),
        ("model.class_path=7", RecipeError, "class_path"),
        ("model.learning_rate=fast", RecipeError, "model.learning_rate.*float.*fast"),
        ("data.spec=3", RecipeError, "data.spec: several values are wanted"),
        ("data.spec.size_px=-1", InvalidValueError, "tile size"),
        ("data.batch_size=0", InvalidValueError, "batch_size"),
        ("trainer.max_steps=0", InvalidValueError, "max_steps"),
        ("seed=soon", RecipeError, "seed"),
        ("classes=[]", RecipeError, "classes"),
        ("classes=[background, nucleus]", RecipeError, "without background"),
        ("model.arguments.widht=3", ModelError, "widht"),
        ("model.architecture=unett", InvalidValueError, "did you mean 'unet'"),
        ("learning_rate", RecipeError, "an override is key=value"),
        ("seed.inner=1", RecipeError, "goes deeper"),
        ("seed=[", RecipeError, "no YAML"),
    ],
)
def test_wrong_overrides_are_refused_in_one_line(
    override: str, kind: type[PathoaiError], says: str, study: Study
) -> None:
    with pytest.raises(kind, match=says) as caught:
        build(read_recipe(NAME, [override]), study=study.path, split=SplitKind.AREA)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "no mapping"),
        ("a: [", "no YAML"),
        ("modle: {}\n", "did you mean 'model'"),
        ("ontology: breast\n", "a section is missing; found no classes"),
        (
            "{ontology: breast, classes: [nucleus], model: {class_path: x, args: {}}, data: {}}",
            "did you mean 'init_args'",
        ),
    ],
)
def test_malformed_recipes_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, "utf8")
    with pytest.raises(RecipeError, match=says):
        read_recipe(path)


def test_keys_that_a_subclass_hands_on_are_known(tmp_path: Path, study: Study) -> None:
    module = tmp_path / "my_task.py"
    module.write_text(
        "from pathoai_training.tasks.semantic_segmentation import SemanticSegmentation\n"
        "class Mine(SemanticSegmentation):\n"
        "    def __init__(self, *, extra: int = 1, **kwargs):\n"
        "        super().__init__(**kwargs)\n"
        "        self.extra = extra\n",
        "utf8",
    )
    overrides = ["model.class_path=my_task.Mine", "model.extra=3", "model.dice_weight=0.5"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        made = build(read_recipe(NAME, overrides), study=study.path, split=SplitKind.AREA)
    assert vars(made.model)["extra"] == 3
    assert made.model.dice_weight == 0.5


def test_reading_a_recipe_needs_no_torch() -> None:
    text = (
        "import sys; from pathoai_training.commands.train import COMMAND;"
        "from pathoai_training.recipes.recipe import read_recipe; read_recipe('" + NAME + "');"
        "sys.exit('torch' in sys.modules or 'pytorch_lightning' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
