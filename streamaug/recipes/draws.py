"""The draws that a recipe may name: those of this package, and those that plug-ins announce.

What a draw does with the clips is no part of the language, see `streamaug.planning.draws`. The
language needs its name, the recipe keys that only this draw takes, and its checks.
"""

from functools import cache
from pkgutil import resolve_name
from typing import Any, Protocol

from pydantic import BaseModel

from streamaug import plugins
from streamaug.errors import RecipeError
from streamaug.hints import nearest

GROUP = "streamaug.draws"

_BUILT_IN = {
    "union": "streamaug.planning.draws.union:UnionDraw",
    "weighted": "streamaug.planning.draws.weighted:WeightedDraw",
    "one-per-clip": "streamaug.planning.draws.per_clip:OnePerClipDraw",
    "views": "streamaug.planning.draws.per_clip:ViewsDraw",
}
"""Named by text like entry points, but found without reading the metadata of every package."""


class NoOptions(BaseModel):
    """The options of a draw that takes no keys of its own."""


class DrawRules(Protocol):
    """What a recipe may write for a draw.

    Args:
        name: What follows `draw:` in a recipe.
        version: Counts up when the same recipe comes to give other rows. Part of a plan's identity,
            except for built-in draws, which are covered by the format of the plan.
        summary: What a row is, in a few words for help texts.
        options: The recipe keys that only this draw takes, with a description and an example each.
            A draw that shows several conditions per row takes their number as `views`.

    A draw that honours more than the mixture has `takes`, a sequence of names, see `takes`. Recipes
    that need what a draw does not take are refused.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def options(self) -> type[BaseModel]: ...

    def check(self, recipe: Any) -> None:
        """Check what is true of a recipe on every store.

        Args:
            recipe: A Recipe, whose module imports this one.

        Raises:
            RecipeError: The recipe contradicts itself.
        """


def takes(draw: DrawRules, part: str) -> bool:
    """Whether a draw honours a part of the language that not every draw can.

    Args:
        draw: The draw; without an attribute `takes` it takes none of these parts.
        part: `weights`, by columns of the clips, or `by_step`, by training step.
    """
    return part in getattr(draw, "takes", ())


def draw_names(*, plug_ins: bool = True) -> tuple[str, ...]:
    """Names of the installed draws, built-in ones first.

    Args:
        plug_ins: Whether to include the draws of plug-ins.
    """
    announced = sorted(set(plugins.names(GROUP)) - _BUILT_IN.keys()) if plug_ins else ()
    return (*_BUILT_IN, *announced)


def plug_in_version(name: str) -> str:
    """Name and version of a plug-in's draw; empty for a built-in one."""
    return "" if name in _BUILT_IN else f"{name} {find_draw(name).version}"


@cache
def find_draw(name: str) -> DrawRules:
    """The draw with a name.

    Raises:
        RecipeError: No such draw is installed.
        PluginError: It is installed, but cannot be imported.
    """
    if name in _BUILT_IN:
        built_in: DrawRules = resolve_name(_BUILT_IN[name])()
        return built_in
    if name not in draw_names():
        raise RecipeError(f"draw '{name}' is not installed. {nearest(name, draw_names())}")
    draw: DrawRules = plugins.find(GROUP, name)()
    return draw
