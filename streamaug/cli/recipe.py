"""streamaug recipe: JSON Schema, joined recipes, and leave-one-codec-out families."""

from pathlib import Path
from typing import Annotated

import typer

from streamaug.printable import escape_lines

recipe = typer.Typer(no_args_is_help=True, help="Recipes: JSON Schema, joined recipes, leave-one-codec-out families.")


@recipe.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for editors that check YAML while you type."""
    import json

    from streamaug.recipes.schema import recipe_file_model

    typer.echo(json.dumps(recipe_file_model().model_json_schema(), indent=2))


@recipe.command()
def show(path: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe, a YAML file.")]) -> None:
    """Print a recipe joined with all that it extends, and its hash."""
    from streamaug.recipes import load_recipe

    loaded = load_recipe(path)
    typer.echo(escape_lines(f"{loaded.to_yaml()}# hash {loaded.hash}"))


@recipe.command()
def leave_one_out(
    path: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe whose codecs are left out one at a time, a YAML file.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the recipes.")],
) -> None:
    """Write one recipe per codec without that codec, to test on codecs that training never used."""
    from streamaug.cli.tables import whole
    from streamaug.recipes import load_recipe
    from streamaug.recipes.leave_one_out import without_each_codec

    folder.mkdir(parents=True, exist_ok=True)
    for codec, left in without_each_codec(load_recipe(path)).items():
        target = folder / f"without_{codec.replace('-', '_')}.yaml"
        with whole(target) as part:
            part.write_text(left.to_yaml(), encoding="utf-8")
        typer.echo(escape_lines(f"wrote {target}: {', '.join(left.conditions)}"))
