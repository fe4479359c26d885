"""What a recipe may contain: for its checks and for the JSON Schema that editors use.

The keys that only one draw takes come from the draws that are installed.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, create_model
from pydantic.fields import FieldInfo

from streamaug.errors import RecipeError
from streamaug.hints import guessed, nearest
from streamaug.links import LinkDefinition
from streamaug.recipes.column_weights import EQUAL
from streamaug.recipes.draws import draw_names, find_draw
from streamaug.yaml_lines import KeyPath, location_of, read_yaml

Number = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Points = Annotated[
    dict[Annotated[int, Field(ge=0)], Number],
    Field(min_length=1, json_schema_extra={"propertyNames": {"pattern": "^[0-9]+$"}}),
]
Where = Annotated[dict[str, Annotated[list[str | int], Field(min_length=1)]], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _kind(value: Any) -> str:
    """Which of the forms of a weight a value seems to be."""
    if isinstance(value, dict):
        if value and all(isinstance(key, int) for key in value):
            return "points"
        return next((kind for kind in ("ramp", "by_step") if kind in value), "share")
    kinds: dict[type, str] = {RampFile: "ramp", ByStepFile: "by_step", ShareFile: "share"}
    return kinds.get(type(value), "weight")


class RampFile(_Strict):
    """A weight that goes in straight lines from point to point."""

    ramp: Points = Field(description="Times and weights.", examples=["ramp: {0: 0, 50: 1}"])


class ByStepFile(_Strict):
    """A weight whose times are training steps."""

    by_step: Annotated[Annotated[Points, Tag("points")] | Annotated[RampFile, Tag("ramp")], Discriminator(_kind)] = Field(
        description="Steps and weights, or a ramp. A step is a global batch, counted from the start of the training.",
        examples=["by_step: {0: 1, 5000: 0.25}"],
    )


_Scheduled = (
    Annotated[Number, Tag("weight")]
    | Annotated[Points, Tag("points")]
    | Annotated[RampFile, Tag("ramp")]
    | Annotated[ByStepFile, Tag("by_step")]
)


class ShareFile(_Strict):
    """One condition's part of a mixture, if it has more than a weight."""

    weight: Annotated[_Scheduled, Discriminator(_kind), Field(description="How much of the condition.", examples=["weight: 1"])]
    where: Where | None = Field(None, description="Clips of the condition, by values of columns.", examples=["where: {device: [a, b]}"])


class WindowFile(_Strict):
    window: int = Field(ge=2, description="Shards that are open together, over all conditions.", examples=["shuffle: {window: 64}"])


_WEIGHT_KEYS = ["weight", "where", "ramp", "by_step"]

Weight = Annotated[_Scheduled | Annotated[ShareFile, Tag("share")], Discriminator(_kind)]

ValueWeights = Annotated[dict[str | int, Number], Field(min_length=1)]
Weights = Annotated[
    Annotated[Literal["equal"], Tag("equal")] | Annotated[ValueWeights, Tag("values")],
    Discriminator(lambda value: "values" if isinstance(value, dict) else "equal"),
]


class BucketFile(_Strict):
    bucket: int = Field(
        ge=2,
        le=1 << 30,
        description="Rows that are sorted by length and cut into batches.",
        examples=["shuffle: {bucket: 3200, batch: 64}"],
    )
    batch: int = Field(ge=1, le=1 << 20, description="Global batch size.", examples=["shuffle: {bucket: 3200, batch: 64}"])


def _shuffle_kind(value: Any) -> str:
    """Which of the shuffles a value seems to be."""
    if isinstance(value, BucketFile) or (isinstance(value, dict) and not value.keys().isdisjoint(("bucket", "batch"))):
        return "bucket"
    return "window" if isinstance(value, dict | WindowFile) else "full"


Shuffle = Annotated[
    Annotated[Literal["full"], Tag("full")] | Annotated[WindowFile, Tag("window")] | Annotated[BucketFile, Tag("bucket")],
    Discriminator(_shuffle_kind),
]


class RecipeFile(_Strict):
    """A mixture of conditions to train on. See docs/recipes.md."""

    model_config = ConfigDict(title="streamaug recipe")

    title: str | None = Field(None, description="Title for people; it changes nothing.", examples=["title: original + mp3_64"])
    extends: list[str] | None = Field(
        None,
        min_length=1,
        description="Recipe files to join with this one; paths are relative to it.",
        examples=["extends: [row_6.yaml]"],
    )
    draw: str | None = None
    mixture: Annotated[dict[str, Weight], Field(min_length=1)] | None = Field(
        None,
        description="Conditions and their weights: a number, by epoch {0: 1.0, 50: 0.25}, {ramp: …}, {by_step: …}, {weight: …, where: …}.",
        examples=["mixture: {original: 1, mp3_64: 1}"],
    )
    where: Where | None = Field(None, description="Clips, by values of columns.", examples=["where: {device: [a, b]}"])
    weights: Annotated[dict[str, Weights], Field(min_length=1)] | None = Field(
        None,
        description="How often clips come, by values of columns: weights of values, or 'equal' for the same number of rows of each.",
        examples=["weights: {label: {siren: 4}}"],
    )
    balance: list[str] | None = Field(
        None, min_length=1, description="Columns whose groups each get the mixture.", examples=["balance: [label, device]"]
    )
    stratify: int | None = Field(
        None, ge=2, le=1 << 20, description="Global batch size; every batch gets the mixture.", examples=["stratify: 256"]
    )
    shuffle: Shuffle | None = Field(
        None,
        description="full; a window of shards, for remote stores; or buckets of clips of similar length. Default: full.",
        examples=["shuffle: {window: 64}"],
    )
    allow_leakage: bool | None = Field(
        None,
        description="Train although clips or groups are also evaluated; every table says so. Default: false.",
        examples=["allow_leakage: true"],
    )
    stores: Annotated[dict[str, str], Field(min_length=1)] | None = Field(
        None,
        description="Several stores by name, for conditions such as tau:mp3_64: paths, relative to the recipe, or URLs.",
        examples=["stores: {tau: s3://bucket/tau, esc: /data/esc}"],
    )
    rename_labels: Annotated[dict[str, Annotated[dict[str, str], Field(min_length=1)]], Field(min_length=1)] | None = Field(
        None, description="Other names for labels of one of several stores.", examples=["rename_labels: {esc: {dog_bark: dog}}"]
    )
    links: Annotated[dict[str, LinkDefinition], Field(min_length=1)] | None = Field(
        None,
        description="Links that lose packets, by name, for conditions such as opus-voip_24~loss10.",
        examples=["links: {loss10: {loss: 0.1, burst: 3}}"],
    )
    shared_groups: bool | None = Field(
        None,
        description="Groups with the same name in several stores are one group, for the check for leakage. Default: false.",
        examples=["shared_groups: true"],
    )


@cache
def recipe_file_model(*, plug_ins: bool = True) -> type[RecipeFile]:
    """The keys of all recipes, and those of the installed draws.

    Args:
        plug_ins: Whether to include the draws of plug-ins.
    """
    draws = {name: find_draw(name) for name in draw_names(plug_ins=plug_ins)}
    summaries = ", ".join(f"{name} ({draw.summary})" for name, draw in draws.items())
    draw_field = Field(None, description=f"What a row is: {summaries}.", examples=["draw: union"])
    options = {key: _optional(about) for draw in draws.values() for key, about in draw.options.model_fields.items()}
    fields: dict[str, Any] = {"draw": (Literal[tuple(draws)] | None, draw_field), **options}
    return create_model("RecipeFile", __base__=RecipeFile, __doc__=RecipeFile.__doc__, **fields)


def _optional(about: FieldInfo) -> tuple[Any, Any]:
    """A draw's key as a file may have it: optional, because a parent may have it."""
    constrained: Any = Annotated[(about.annotation, *about.metadata)] if about.metadata else about.annotation
    return constrained | None, Field(None, description=about.description, examples=about.examples)


def option_keys(file: RecipeFile) -> tuple[str, ...]:
    """The keys of a file's model that only one draw takes."""
    return tuple(key for key in type(file).model_fields if key not in RecipeFile.model_fields)


def read_recipe_file(path: Path) -> tuple[RecipeFile, dict[KeyPath, str]]:
    """Read a recipe file without what it extends; also where each of its parts is, as file and
    line.

    Raises:
        RecipeError: The file cannot be read, or does not fit the schema; all problems are reported
            together, each with file, line and remedy.
    """
    data, lines = read_yaml(path, RecipeError, "a recipe (a YAML file, see docs/recipes.md)")
    locations = {key_path: f"{path}:{line}" for key_path, line in lines.items()}
    return _validated(data, locations, f"{path}:1"), locations


def read_recipe_mapping(data: Mapping[Any, Any]) -> tuple[RecipeFile, dict[KeyPath, str]]:
    """Read a recipe that a program has made, without what it extends; also what to call its parts
    in errors.

    Args:
        data: Mappings, sequences and plain values, as YAML would have them.

    Raises:
        RecipeError: It does not fit the schema; all problems are reported together.
    """
    plain = _plain(data)
    name = f"recipe '{plain['title']}'" if isinstance(plain.get("title"), str) else "recipe"
    locations = dict.fromkeys(_key_paths(plain, ()), name)
    return _validated(plain, locations, name), locations


def _plain(value: Any) -> Any:
    """Dictionaries and lists in place of other mappings and sequences, such as those of Hydra."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(each) for each in value]
    return value


def _key_paths(value: Any, key_path: KeyPath) -> Iterator[KeyPath]:
    yield key_path
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _key_paths(each, (*key_path, key))


def _validated(data: Any, locations: Mapping[KeyPath, str], start: str) -> RecipeFile:
    """Check a recipe's data. `start` is the location of what is nowhere else. Raises RecipeError."""
    if not isinstance(data, dict):
        raise RecipeError(f"{start}: a recipe is a mapping such as\ndraw: union\nmixture: {{original: 1, mp3_64: 1}}")
    model = recipe_file_model(plug_ins=_needs_plug_ins(data))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems: dict[str, None] = {}  # in their order, each once
        for problem in error.errors(include_url=False):
            key_path = tuple(step for step in problem["loc"])
            problems[f"{location_of(locations, key_path) or start}: {_explain(problem, key_path, locations, model)}"] = None
        raise RecipeError("\n".join(problems)) from None


def _needs_plug_ins(data: Mapping[Any, Any]) -> bool:
    """Whether a draw or a key is not built in; finding plug-ins takes a tenth of a second."""
    unknown = data.keys() - recipe_file_model(plug_ins=False).model_fields.keys()
    return bool(unknown) or data.get("draw") not in (None, *draw_names(plug_ins=False))


def _explain(problem: Any, key_path: KeyPath, locations: Mapping[KeyPath, str], model: type[RecipeFile]) -> str:
    """One line about one problem: the offending value, what is wrong, what to write instead."""
    steps: KeyPath = ()
    for step in key_path:  # validators add steps of their own ("share", "[key]"); keep those that the file has
        if (*steps, step) in locations:
            steps = (*steps, step)
    name = ".".join(map(str, steps)) or "recipe"
    field = model.model_fields.get(str(key_path[0])) if key_path else None
    field = BucketFile.model_fields["bucket"] if "bucket" in key_path else field
    examples = (field.examples or [""]) if field else [""]
    example = f"; write for example '{examples[0]}'" if examples[0] else ""
    value = problem["input"]
    match problem["type"]:
        case "extra_forbidden" if key_path[0] == "shuffle" and key_path[-1] in ("window", "bucket", "batch"):
            return "shuffle: a window and buckets exclude each other; remove one of them"
        case "extra_forbidden":
            known = (
                list(model.model_fields)
                if len(key_path) == 1
                else ["window", "bucket", "batch"]
                if key_path[0] == "shuffle"
                else _WEIGHT_KEYS
            )
            return f"unknown key '{key_path[-1]}'. {nearest(str(key_path[-1]), known)}"
        case "literal_error":
            known = {"shuffle": ["full"], "weights": [EQUAL]}.get(name.split(".")[0]) or list(draw_names())
            return f"{name}: {value!r} is none of {', '.join(known)}. {guessed(str(value), known)}".rstrip(". ")
        case "string_type" | "int_type" | "int_from_float" if "where" in key_path[:-1] or "[key]" in key_path:
            return f"{name}: {value!r} is neither a name nor a whole number; write it in quotes, as the clips table has it"
        case "missing":
            return f"{name}: '{key_path[-1]}' is missing{example}"
        case _:
            return f"{name}: {value!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}{example}"
