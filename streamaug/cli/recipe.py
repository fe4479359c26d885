"""streamaug recipe: JSON Schema, joined recipes, and families that leave out one codec or encoder."""

from pathlib import Path
from typing import Annotated

import typer

from streamaug.printable import escape_lines

recipe = typer.Typer(no_args_is_help=True, help="Recipes: JSON Schema, joined recipes, families that leave out one codec or encoder.")


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
    encoders: Annotated[
        bool, typer.Option("--encoders", help="Leave out one encoder at a time of formats that several encoders make.")
    ] = False,
    settings: Annotated[Path | None, typer.Option(help="YAML file with encoder settings that override shards/paper.yaml.")] = None,
) -> None:
    """Write one recipe per codec without that codec, to test on codecs that training never used.

    With --encoders, one recipe per encoder: mp3_64 and mp3_64@shine have different ones, and so have
    aac and he-aac, which both hold AAC.
    """
    from streamaug.cli.tables import whole
    from streamaug.recipes import load_recipe
    from streamaug.recipes.leave_one_out import without_each_codec, without_each_encoder

    loaded = load_recipe(path)
    if encoders:
        from streamaug.codecs import load_settings

        families = {name: codec.family for name, codec in load_settings(settings).codecs.items() if codec.family}
        family = without_each_encoder(loaded, families)
    else:
        family = without_each_codec(loaded)
    folder.mkdir(parents=True, exist_ok=True)
    for left_out, left in family.items():
        target = folder / f"without_{left_out.replace('-', '_').replace('@', '_')}.yaml"
        with whole(target) as part:
            part.write_text(left.to_yaml(), encoding="utf-8")
        typer.echo(escape_lines(f"wrote {target}: {', '.join(left.conditions)}"))
