"""What a recipe file may hold, strictly typed: the source of its checks and of the JSON Schema that editors use."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from streamaug.errors import RecipeError
from streamaug.hints import guessed, nearest
from streamaug.recipes.yaml_lines import KeyPath, line_of, read_yaml

Number = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Steps = Annotated[
    dict[Annotated[int, Field(ge=0)], Number],
    Field(min_length=1, json_schema_extra={"propertyNames": {"pattern": "^[0-9]+$"}}),
]
Where = Annotated[dict[str, Annotated[list[str | int], Field(min_length=1)]], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _kind(value: Any) -> str:
    """Which of the three ways of giving a weight a value tries to be."""
    if isinstance(value, dict):
        return "steps" if value and all(isinstance(key, int) for key in value) else "share"
    return "share" if isinstance(value, ShareFile) else "weight"


class ShareFile(_Strict):
    """One condition's part of a mixture, where the weight alone does not say it all."""

    weight: Annotated[
        Annotated[Number, Tag("weight")] | Annotated[Steps, Tag("steps")],
        Discriminator(_kind),
        Field(description="How much of the condition.", examples=["weight: 1"]),
    ]
    where: Where | None = Field(None, description="Only these clips of the condition.", examples=["where: {device: [a, b]}"])


class WindowFile(_Strict):
    window: int = Field(ge=2, description="Shards, over all conditions, that are open at a time.", examples=["shuffle: {window: 64}"])


Weight = Annotated[
    Annotated[Number, Tag("weight")] | Annotated[Steps, Tag("steps")] | Annotated[ShareFile, Tag("share")], Discriminator(_kind)
]

Shuffle = Annotated[
    Annotated[Literal["full"], Tag("full")] | Annotated[WindowFile, Tag("window")],
    Discriminator(lambda value: "window" if isinstance(value, dict | WindowFile) else "full"),
]


class RecipeFile(_Strict):
    """A mixture of conditions to train on. See docs/recipes.md."""

    model_config = ConfigDict(title="streamaug recipe")

    title: str | None = Field(None, description="For people; changes nothing.", examples=["title: original + mp3_64"])
    extends: list[str] | None = Field(
        None, min_length=1, description="Recipe files to join with this one, relative to it.", examples=["extends: [row_6.yaml]"]
    )
    draw: Literal["union", "weighted", "one-per-clip", "views"] | None = Field(
        None,
        description="What a row is: union (a clip in each condition), weighted (`rows` shared out by weight), "
        "one-per-clip (each clip once, in a condition drawn by weight), views (each clip in `views` conditions at once).",
        examples=["draw: union"],
    )
    mixture: Annotated[dict[str, Weight], Field(min_length=1)] | None = Field(
        None,
        description="Conditions and their weights: a number, steps over epochs {0: 1.0, 50: 0.25}, or {weight: …, where: …}.",
        examples=["mixture: {original: 1, mp3_64: 1}"],
    )
    rows: int | None = Field(None, ge=1, le=1 << 40, description="Rows an epoch (draw: weighted).", examples=["rows: 28000"])
    views: int | None = Field(None, ge=2, le=64, description="Conditions a row shows its clip in (draw: views).", examples=["views: 2"])
    anchor: str | None = Field(
        None, description="The condition that every row's first view is in (draw: views).", examples=["anchor: original"]
    )
    where: Where | None = Field(None, description="Only clips with these values.", examples=["where: {device: [a, b]}"])
    balance: list[str] | None = Field(
        None, min_length=1, description="Columns whose groups each get the mixture.", examples=["balance: [label, device]"]
    )
    stratify: int | None = Field(
        None, ge=2, le=1 << 20, description="Global batch size: every batch gets the mixture.", examples=["stratify: 256"]
    )
    shuffle: Shuffle | None = Field(
        None, description="full (the default), or a window of shards for remote stores.", examples=["shuffle: {window: 64}"]
    )
    allow_leakage: bool | None = Field(
        None, description="Train although a clip or group is evaluated too; every table says so.", examples=["allow_leakage: true"]
    )


def read_recipe_file(path: Path) -> tuple[RecipeFile, dict[KeyPath, int]]:
    """A recipe file as it stands, unjoined, with the lines of its parts. Raises RecipeError naming file, line and remedy."""
    data, lines = read_yaml(path)
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: a recipe is a mapping such as\ndraw: union\nmixture: {{original: 1, mp3_64: 1}}")
    try:
        return RecipeFile.model_validate(data), lines
    except ValidationError as error:
        told: dict[tuple[int, str], None] = {}
        for problem in error.errors(include_url=False):
            where = tuple(step for step in problem["loc"])
            line = line_of(lines, where) or 1
            told[line, _explain(problem, where, lines)] = None
        raise RecipeError("\n".join(f"{path}:{line}: {what}" for line, what in told)) from None


def _explain(problem: Any, where: KeyPath, lines: dict[KeyPath, int]) -> str:
    """One line about one problem: the offending value, what is wrong, what to write instead."""
    steps: KeyPath = ()
    for step in where:  # validators add steps of their own ("share", "[key]"); keep those that the file has
        if (*steps, step) in lines:
            steps = (*steps, step)
    name = ".".join(map(str, steps)) or "recipe"
    field = RecipeFile.model_fields.get(str(where[0])) if where else None
    examples = (field.examples or [""]) if field else [""]
    example = f"; write for example '{examples[0]}'" if examples[0] else ""
    value = problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            known = list(RecipeFile.model_fields) if len(where) == 1 else ["window"] if where[0] == "shuffle" else ["weight", "where"]
            return f"unknown key '{where[-1]}'. {nearest(str(where[-1]), known)}"
        case "literal_error":
            known = ["full"] if name == "shuffle" else ["union", "weighted", "one-per-clip", "views"]
            return f"{name}: {value!r} is none of {', '.join(known)}. {guessed(str(value), known)}".rstrip(". ")
        case "missing":
            return f"{name}: '{where[-1]}' is missing{example}"
        case _:
            return f"{name}: {value!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}{example}"
