import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamaug.errors import RecipeError
from streamaug.recipes import Recipe, Schedule, Share, load_recipe
from streamaug.recipes.column_weights import ColumnWeights
from streamaug.recipes.leave_one_out import without_each_codec, without_each_encoder
from streamaug.recipes.schema import recipe_file_model
from tests.planning.settings import some

RECIPES = Path(__file__).parents[2] / "train" / "recipes"
PAPER = RECIPES.parent / "paper" / "recipes"


def write(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    return str(caught.value)


UNION = "draw: union\nmixture: {original: 1, mp3_64: 1}\n"


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (
            "draw: uinon\nmixture: {original: 1}\n",
            1,
            "draw: 'uinon' is none of union, weighted, one-per-clip, views. Did you mean 'union'?",
        ),
        ("draw: union\nmixtur: {original: 1}\n", 2, "unknown key 'mixtur'. Did you mean 'mixture'?"),
        ("draw: union\nmixture:\n  original: 1\n  mp3_64: -1\n", 4, "mixture.mp3_64: -1: input should be greater than or equal to 0"),
        ("draw: union\nmixture:\n  original: .nan\n", 3, "mixture.original: nan: input should be a finite number"),
        ("draw: union\nmixture:\n  original: .inf\n", 3, "finite number"),
        ("draw: union\nmixture:\n  original: yes\n", 3, "mixture.original: True: input should be a valid number"),
        ("draw: union\nmixture:\n  original: '1'\n", 3, "mixture.original: '1': input should be a valid number"),
        ("draw: union\nmixture: {original: 0, mp3_64: 0}\n", 2, "all weights are zero; give at least one condition a weight above zero"),
        ("draw: union\nmixture: {original: {0: 1, 3: 0}}\n", 2, "all weights are zero from epoch 3 on"),
        ("draw: union\nmixture:\n  original: 1\n  aac: {5: 1}\n", 4, "begin at epoch 5; write '{0: …, 5: …}', 0 first"),
        ("draw: union\nmixture:\n  original: 1\n  aac: {by_step: {ramp: {5: 1}}}\n", 4, "begin at step 5; write '{0: …, 5: …}', 0 first"),
        ("draw: union\nmixture: {original: {ramp: {0: 0, 3: 1}}}\n", 2, "all weights are zero in epoch 0; give"),
        ("draw: union\nmixture: {original: {ramp: {0: 1, 3: 0}}}\n", 2, "all weights are zero from epoch 3 on"),
        ("draw: union\nmixture: {original: {ramps: {0: 1, 3: 0}}}\n", 2, "unknown key 'ramps'. Did you mean 'ramp'?"),
        ("draw: union\nmixture:\n  original: {ramp: 1}\n", 3, "mixture.original.ramp: 1: input should be a valid dictionary"),
        ("draw: union\nmixture:\n  original: {by_step: {0: -1}}\n", 3, "mixture.original.by_step.0: -1: input should be greater"),
        ("draw: union\nmixture:\n  original: {by_step: {0: 1, 9: 2}}\n", 3, "'draw: union' does not take weights by step"),
        (
            "draw: weighted\nrows: 640\nmixture:\n  original: {by_step: {0: 1, 9: 2}}\n",
            4,
            "is a global batch, so each batch has a mixture of its own; write the global batch size, for example 'stratify: 64'",
        ),
        (
            "draw: weighted\nrows: 650\nstratify: 64\nmixture: {original: {by_step: {0: 1, 9: 2}}}\n",
            2,
            "650 rows are not a multiple of 64; write 'rows: 704' or 640",
        ),
        (UNION + "weights: {label: 4}\n", 3, "weights.label: 4 is none of equal"),
        (UNION + "weights: {label: equall}\n", 3, "weights.label: 'equall' is none of equal. Did you mean 'equal'?"),
        (UNION + "weights:\n  label:\n    siren: -1\n", 5, "weights.label.siren: -1: input should be greater than or equal to 0"),
        (UNION + "weights: {}\n", 3, "write for example 'weights: {label: {siren: 4}}'"),
        (UNION + "weights: {fold: {1: 2, '1': 3}}\n", 3, "weights: '1' has two weights; remove one"),
        (UNION + "weights:\n  device: equal\n  label: equal\n", 5, "weights: 'device' and 'label' cannot both be equal"),
        (UNION + "shuffle: {bucket: 100, batch: 64}\n", 3, "is not several batches of 64; write for example '{bucket: 3200, batch: 64}'"),
        (UNION + "shuffle: {bucket: 128}\n", 3, "'batch' is missing; write for example 'shuffle: {bucket: 3200, batch: 64}'"),
        (UNION + "shuffle: {bucket: 128, batsh: 64}\n", 3, "unknown key 'batsh'. Did you mean 'batch'?"),
        (UNION + "stratify: 64\nshuffle: {bucket: 128, batch: 64}\n", 3, "'stratify: 64' and a bucket exclude each other"),
        (UNION + "shuffle: {window: 8}\nweights: {label: equal}\n", 4, "'weights' and a window exclude each other"),
        (
            "draw: one-per-clip\nmixture: {original: 1}\nweights: {label: equal}\n",
            3,
            "'draw: one-per-clip' does not take 'weights'; use 'draw: union' or 'draw: weighted', or leave clips out with 'where'",
        ),
        ("draw: views\nviews: 2\nmixture: {original: 1, mp3_64: 1}\nweights: {label: equal}\n", 4, "'draw: views' does not take 'weights'"),
        ("draw: union\nmixture:\n  original: 1\n  mp3-64_: 1\n", 4, "condition 'mp3-64_'"),
        ("draw: union\nmixture:\n  original: {weigt: 1}\n", 3, "unknown key 'weigt'. Did you mean 'weight'?"),
        ("draw: union\nmixture: {}\n", 2, "mixture: {}"),
        ("draw: union\n", 1, "'mixture' is missing; write for example 'mixture: {original: 1, mp3_64: 1}'"),
        ("mixture: {original: 1}\n", 1, "'draw' is missing; write for example 'draw: union'"),
        (UNION + "where: {device: a}\n", 3, "where.device: 'a': input should be a valid list; write for example 'where: {device: [a, b]}'"),
        (
            UNION + "where: {snr: [0.5]}\n",
            3,
            "where.snr.0: 0.5 is neither a name nor a whole number; write it in quotes, as the clips table has",
        ),
        (UNION + "where: {calm: [yes]}\n", 3, "where.calm.0: True is neither a name nor a whole number; write it in quotes"),
        (UNION + "rows: 10\n", 3, "'rows' belongs to 'draw: weighted', but this is 'draw: union'"),
        ("draw: weighted\nmixture: {original: 1}\n", 1, "'draw: weighted' needs 'rows'; write for example 'rows: 28000'"),
        (UNION + "views: 2\n", 3, "'views' belongs to 'draw: views'"),
        (UNION + "anchor: original\n", 3, "'anchor' belongs to 'draw: views'"),
        (UNION + "shuffle: {window: 8, bucket: 128, batch: 64}\n", 3, "a window and buckets exclude each other; remove one of them"),
        (UNION + "shuffle: {windw: 8}\n", 3, "unknown key 'windw'. Did you mean 'window'?"),
        (UNION + "shuffle: none\n", 3, "shuffle: 'none' is none of full"),
        (UNION + "shuffle: {window: 3}\n", 3, "write a window of 4 or more"),
        (UNION + "shuffle: {window: 8}\nbalance: [label]\n", 4, "'balance' and a window exclude each other"),
        (UNION + "balance: [label, label]\n", 3, "duplicate column 'label'"),
        (UNION + "stratify: 1\n", 3, "stratify: 1: input should be greater than or equal to 2"),
        (UNION + "draw: weighted\n", 3, "duplicate key 'draw', first on line 1; remove one"),
        ("draw: views\nviews: 2\nmixture:\n  original: 2\n  mp3_64: 1\n", 4, "'original' has 2 of the 3 of all weights"),
        ("draw: views\nviews: 2\nanchor: original\nmixture: {mp3_64: 1}\n", 3, "the anchor 'original' is not in the mixture"),
        ("draw: views\nviews: 2\nanchor: original\nmixture:\n  mp3_64: 1\n  original: 2\n", 6, "its weight is 1"),
        (
            "draw: views\nviews: 2\nbalance: [label]\nstratify: 8\nmixture: {original: 1, mp3_64: 1}\n",
            4,
            "'stratify' and 'balance' together cannot be exact with 'draw: views'",
        ),
        ("draw: union\nmixture: &m {original: 1}\nwhere: *m\n", 2, "an alias (*name) is not allowed"),
        ("draw: union\nmixture: {original: 1\n", 3, "not valid YAML"),
        ("draw: !!python/object/apply:os.system [ls]\n", 1, "not YAML of plain values"),
    ],
)
def test_an_error_has_file_line_value_and_remedy(tmp_path: Path, text: str, line: int, expected: str) -> None:
    path = write(tmp_path, text)
    message = refusal(path)
    assert f"{path}:{line}: " in message
    assert expected in message


def test_one_mistake_is_one_line(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "draw: union\nmixture: {original: {weight: 1, where: {snr: [0.5, 1.5]}}}\n"))
    assert [line.partition(": ")[2].partition(" is ")[0] for line in message.splitlines()] == [
        "mixture.original.where.snr.0: 0.5",
        "mixture.original.where.snr.1: 1.5",
    ]


def test_all_mistakes_in_a_file_are_reported_together(tmp_path: Path) -> None:
    path = write(tmp_path, "draw: uinon\nrows: many\nmixture: {original: -1}\n")
    assert [line.split(": ")[0] for line in refusal(path).splitlines()] == [f"{path}:{line}" for line in (1, 3, 2)]


@pytest.mark.parametrize("text", ["", "[]", "draw", "\x00", "[" * 5000])
def test_a_file_that_is_not_a_recipe_is_refused(tmp_path: Path, text: str) -> None:
    assert str(tmp_path) in refusal(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "no.yaml")


def test_a_title_an_order_or_another_spelling_of_a_number_is_the_same_recipe(tmp_path: Path) -> None:
    one = load_recipe(write(tmp_path, "title: one\ndraw: union\nmixture: {original: 1, mp3_64: {0: 1, 5: 0.50}}\n"))
    other = load_recipe(write(tmp_path, "mixture: {mp3_64: {0: 1.0, 3: 1, 5: 0.5}, original: {weight: 1}}\ntitle: other\ndraw: union\n"))
    assert one.hash == other.hash
    assert one.conditions == other.conditions == ("original", "mp3_64")
    assert load_recipe(write(tmp_path, UNION)).hash != one.hash


numbers = st.floats(0.001, 1000, allow_nan=False).map(lambda number: float(f"{number:.4g}"))
points = st.dictionaries(st.integers(1, 200), numbers, max_size=3).flatmap(lambda later: numbers.map(lambda first: {0: first, **later}))
schedules = st.builds(lambda points, ramp: Schedule.of(points, ramp=ramp), points, st.booleans())
column_weights = st.one_of(st.just("equal"), st.dictionaries(st.sampled_from(["bus", "1"]), numbers, min_size=1))
wheres = st.dictionaries(st.sampled_from(["device", "fold"]), st.lists(st.sampled_from("abc123"), min_size=1), max_size=2).map(
    lambda where: tuple(sorted((column, tuple(sorted(set(values)))) for column, values in where.items()))
)


@some
@given(
    mixture=st.dictionaries(
        st.sampled_from(["original", "mp3_64", "sbc_64+aac_64", "pitch"]), st.builds(Share, weight=schedules, where=wheres), min_size=1
    ),
    draw=st.sampled_from(["union", "weighted", "one-per-clip"]),
    where=wheres,
    stratify=st.none() | st.integers(2, 1000),
    balance=st.sampled_from([(), ("label",), ("label", "device")]),
    weights=st.none() | column_weights,
)
def test_a_recipe_and_its_re_serialised_self_have_the_same_hash(
    tmp_path_factory: pytest.TempPathFactory, draw: str, weights: Any, **settings: Any
) -> None:
    if weights is not None and draw != "one-per-clip":
        settings["weights"] = (ColumnWeights.of("fold", {"3": 0.3}), ColumnWeights.of("label", weights))
    recipe = Recipe(title="a: title", draw=draw, options={"rows": 7} if draw == "weighted" else {}, **settings)
    path = write(tmp_path_factory.mktemp("recipes"), recipe.to_yaml())
    again = load_recipe(path)
    assert again == recipe
    assert again.hash == recipe.hash


class TestExtends:
    def test_joins_mixtures_as_a_set(self, tmp_path: Path) -> None:
        write(tmp_path, UNION, "a.yaml")
        write(tmp_path, "draw: union\nmixture: {original: 1, aac_32: 0.5}\n", "b.yaml")
        joined = load_recipe(write(tmp_path, "extends: [a.yaml, b.yaml]\nmixture: {pitch: 2}\n"))
        assert {name: float(share.weight.at(0)) for name, share in joined.mixture.items()} == {
            "original": 1,
            "aac_32": 0.5,
            "mp3_64": 1,
            "pitch": 2,
        }
        assert joined.draw == "union"

    def test_is_the_same_recipe_as_one_written_out(self) -> None:
        joined = load_recipe(PAPER / "table3" / "row_7.yaml")
        names = "original add noise pitch speed spectrum-correction reverb-drc-1 reverb-drc-2 reverb-drc-3 mp3_64 he-aac_16 aac_32"
        written = Recipe(title="", draw="union", mixture={name: Share(weight=Schedule.of(1)) for name in names.split()})
        assert joined.hash == written.hash

    def test_refuses_two_weights_and_names_the_lines_of_both(self, tmp_path: Path) -> None:
        other = write(tmp_path, UNION, "a.yaml")
        path = write(tmp_path, "extends: [a.yaml]\nmixture:\n  mp3_64: 2\n")
        assert f"{path}:3: 'mp3_64' has the weight 2, but 1 in {other}:2; give it one weight" in refusal(path)

    def test_refuses_a_circle(self, tmp_path: Path) -> None:
        write(tmp_path, "extends: [b.yaml]\n", "a.yaml")
        write(tmp_path, "draw: union\nextends:\n- c.yaml\n- recipe.yaml\n", "b.yaml")
        write(tmp_path, UNION, "c.yaml")
        path = write(tmp_path, "extends: [a.yaml]\n")
        message = refusal(path)
        assert "recipe.yaml extends a.yaml extends b.yaml extends recipe.yaml" in message
        assert f"{tmp_path / 'b.yaml'}:4: " in message

    def test_names_the_file_that_an_error_is_in(self, tmp_path: Path) -> None:
        broken = write(tmp_path, "draw: union\nmixture: {original: x}\n", "a.yaml")
        assert f"{broken}:2: " in refusal(write(tmp_path, "extends: [a.yaml]\n"))

    def test_overrides_weights_by_column(self, tmp_path: Path) -> None:
        write(tmp_path, UNION + "weights: {label: {siren: 4}}\n", "a.yaml")
        write(tmp_path, UNION + "weights: {label: equal}\n", "b.yaml")
        assert load_recipe(write(tmp_path, "extends: [a.yaml]\n")).weights == (ColumnWeights.of("label", {"siren": 4}),)
        assert load_recipe(write(tmp_path, "extends: [a.yaml]\nweights: {device: equal}\n")).weights == (
            ColumnWeights.of("device", "equal"),
        )
        assert "'weights' is not the same as in" in refusal(write(tmp_path, "extends: [a.yaml, b.yaml]\n"))

    def test_takes_a_schedule_in_another_shape_or_unit_for_another_weight(self, tmp_path: Path) -> None:
        write(tmp_path, "draw: weighted\nrows: 64\nstratify: 8\nmixture: {original: {by_step: {ramp: {0: 1, 5: 2}}}}\n", "a.yaml")
        assert load_recipe(write(tmp_path, "extends: [a.yaml]\n")).hash == load_recipe(tmp_path / "a.yaml").hash
        for other in ("{by_step: {0: 1, 5: 2}}", "{ramp: {0: 1, 5: 2}}", "{0: 1, 5: 2}"):
            assert "has the weight" in refusal(write(tmp_path, f"extends: [a.yaml]\nmixture: {{original: {other}}}\n"))

    def test_joins_choices_of_clips_by_and(self, tmp_path: Path) -> None:
        write(tmp_path, UNION + "where: {device: [a, b], city: [x]}\n", "a.yaml")
        joined = load_recipe(write(tmp_path, "extends: [a.yaml]\nwhere: {device: [b, c]}\n"))
        assert joined.where == (("city", ("x",)), ("device", ("b",)))
        assert "no clip would be left" in refusal(write(tmp_path, "extends: [a.yaml]\nwhere: {device: [c]}\n"))

    def test_drops_the_inherited_options_where_a_file_has_a_draw_of_its_own(self, tmp_path: Path) -> None:
        write(tmp_path, "draw: weighted\nrows: 10\nmixture: {original: 1}\n", "a.yaml")
        assert "rows" not in load_recipe(write(tmp_path, "extends: [a.yaml]\ndraw: one-per-clip\n")).options
        assert load_recipe(write(tmp_path, "extends: [a.yaml]\nrows: 11\n")).options == {"rows": 11}

    def test_refuses_parents_that_disagree_until_the_file_decides(self, tmp_path: Path) -> None:
        write(tmp_path, UNION + "stratify: 8\n", "a.yaml")
        write(tmp_path, UNION + "stratify: 16\n", "b.yaml")
        write(tmp_path, UNION + "shuffle: {bucket: 64, batch: 8}\n", "c.yaml")
        write(tmp_path, UNION + "shuffle: {bucket: 64, batch: 16}\n", "d.yaml")
        assert "'shuffle' is not the same as in" in refusal(write(tmp_path, "extends: [c.yaml, d.yaml]\n"))
        assert load_recipe(write(tmp_path, "extends: [c.yaml]\nshuffle: full\n")).bucket is None
        assert "'stratify' is not the same as in" in refusal(write(tmp_path, "extends: [a.yaml, b.yaml]\n"))
        assert load_recipe(write(tmp_path, "extends: [a.yaml, b.yaml]\nstratify: 32\n")).stratify == 32

    def test_does_not_inherit_the_permission_to_leak(self, tmp_path: Path) -> None:
        write(tmp_path, UNION + "allow_leakage: true\n", "a.yaml")
        assert load_recipe(tmp_path / "a.yaml").allow_leakage
        assert not load_recipe(write(tmp_path, "extends: [a.yaml]\n")).allow_leakage


def test_the_json_schema_accepts_every_recipe_of_the_repository_and_refuses_mistakes() -> None:
    schema = json.loads(json.dumps(recipe_file_model().model_json_schema()))
    validator = jsonschema.Draft202012Validator(schema)
    paths = sorted(path for folder in (RECIPES, PAPER) for path in folder.rglob("*.yaml"))
    assert len(paths) >= 9
    for path in paths:
        content = yaml.safe_load(path.read_text())
        validator.validate(json.loads(json.dumps(content)))
        load_recipe(path)
    share = {"draw": "union", "mixture": {"mp3_64": {"weight": {"0": 1, "5": 0.5}, "where": {"fold": [1]}}}}
    validator.validate(share)
    scheduled = {
        "original": {"ramp": {"0": 1, "5": 0.5}},
        "mp3_64": {"weight": {"by_step": {"ramp": {"0": 1}}}},
        "pitch": {"by_step": {"0": 1}},
    }
    validator.validate({"shuffle": {"bucket": 128, "batch": 64}})
    validator.validate({"mixture": scheduled, "weights": {"label": {"siren": 4}, "device": "equal"}})
    for wrong in (
        {"draw": "uinon"},
        {"mixtur": {}},
        {"mixture": {"mp3_64": {"weigt": 1}}},
        {"shuffle": {"window": 1}},
        {"weights": {"a": "b"}},
    ):
        assert not validator.is_valid(wrong)


def test_leaving_out_a_codec_leaves_out_all_its_bitrates_and_chains() -> None:
    family = without_each_codec(load_recipe(RECIPES / "all_codecs.yaml"))
    assert sorted(family) == ["aac", "he-aac", "mp3", "opus", "sbc"]
    assert set(family["mp3"].conditions) == set(load_recipe(RECIPES / "all_codecs.yaml").conditions) - {"mp3_32", "mp3_64"}
    chain = Recipe(title="", draw="union", mixture={name: Share(weight=Schedule.of(1)) for name in ("original", "sbc_64+aac_32", "mp3_64")})
    assert without_each_codec(chain)["aac"].conditions == ("original", "mp3_64")
    with pytest.raises(RecipeError, match="needs two or more"):
        without_each_codec(load_recipe(PAPER / "table3" / "row_3.yaml"))


def test_leaving_out_an_encoder_leaves_its_siblings() -> None:
    names = ("original", "mp3_64", "mp3_32", "mp3_64@shine", "aac_32", "he-aac_32", "sbc_64", "sbc_64+mp3_64@shine")
    mixture = Recipe(title="all", draw="union", mixture={name: Share(weight=Schedule.of(1)) for name in names})
    family = without_each_encoder(mixture, {"he-aac": "aac"})
    assert sorted(family) == ["aac@default", "he-aac@default", "mp3@default", "mp3@shine"]
    assert set(names) - set(family["mp3@default"].conditions) == {"mp3_64", "mp3_32"}
    assert set(names) - set(family["mp3@shine"].conditions) == {"mp3_64@shine", "sbc_64+mp3_64@shine"}
    assert set(names) - set(family["aac@default"].conditions) == {"aac_32"}
    assert family["mp3@shine"].title == "all, without mp3@shine"
    assert sorted(without_each_encoder(mixture, {})) == ["mp3@default", "mp3@shine"]
    with pytest.raises(RecipeError, match=r"two or more of one format, but the mixture has mp3@default; add a variant"):
        without_each_encoder(load_recipe(PAPER / "table3" / "row_3.yaml"), {})


class TestADictionary:
    """A recipe that a program makes has the keys of the file."""

    @pytest.mark.parametrize(
        "text",
        [
            UNION,
            "draw: weighted\nrows: 40\nmixture: {original: {0: 1, 5: 0.5}, mp3_64: {weight: 2, where: {device: [a]}}}\n",
            "draw: views\nviews: 2\nanchor: original\nmixture: {original: 1, mp3_64: 1}\nwhere: {fold: [1, 2]}\nallow_leakage: true\n",
            "draw: union\nmixture: {original: 1}\nshuffle: {bucket: 640, batch: 64}\n",
            "draw: weighted\nrows: 64\nstratify: 8\nweights: {fold: {1: 2}}\nmixture: {original: {by_step: {ramp: {0: 1, 5: 0.5}}}}\n",
        ],
    )
    def test_gives_the_recipe_that_its_yaml_gives(self, tmp_path: Path, text: str) -> None:
        data = yaml.safe_load(text)
        expected = load_recipe(write(tmp_path, text))
        assert load_recipe(data) == replace(expected, title="recipe")
        assert load_recipe(MappingProxyType(data)).hash == expected.hash  # mappings of other kinds, such as Hydra's

    def test_extends_files_from_the_working_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path, UNION, "base.yaml")
        monkeypatch.chdir(tmp_path)
        assert set(load_recipe({"extends": ["base.yaml"], "mixture": {"pitch": 1}}).conditions) == {"original", "mp3_64", "pitch"}

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ({"draw": "uinon", "mixture": {"original": -1}}, ["recipe: draw: 'uinon' is none of", "recipe: mixture.original: -1: "]),
            ({"title": "mine", "draw": "union", "mixtur": {}}, ["recipe 'mine': unknown key 'mixtur'. Did you mean 'mixture'?"]),
            ({"draw": "union"}, ["recipe: 'mixture' is missing"]),
            ({"title": "mine", "draw": "union", "mixture": {"mp3-64_": 1}}, ["recipe 'mine': condition 'mp3-64_'"]),
            (["draw"], ["write the path of a YAML file, or a dictionary such as"]),
        ],
    )
    def test_with_mistakes_is_refused_and_all_are_named(self, data: Any, expected: list[str]) -> None:
        with pytest.raises(RecipeError) as caught:
            load_recipe(data)
        assert all(text in str(caught.value) for text in expected)


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, UNION, "base.yaml")
    write(tmp_path, "extends: ['~/base.yaml']\n")
    assert load_recipe("~/recipe.yaml") == load_recipe(Path("~/recipe.yaml")) == load_recipe(tmp_path / "recipe.yaml")
