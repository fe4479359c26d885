"""The command `streamaug`: one file per command.

Commands import what is heavy inside their functions, because `streamaug plan` must answer
immediately and torch alone takes seconds to import.
"""

from typing import Annotated

import typer

from streamaug.cli.build import build
from streamaug.cli.compact import compact
from streamaug.cli.compare import compare
from streamaug.cli.console import begin, run
from streamaug.cli.diff import diff
from streamaug.cli.doctor import doctor
from streamaug.cli.explore import explore
from streamaug.cli.info import info
from streamaug.cli.log import log
from streamaug.cli.plan import plan
from streamaug.cli.prune import prune
from streamaug.cli.quality import quality
from streamaug.cli.recipe import recipe
from streamaug.cli.stream import stream
from streamaug.cli.stress import stress
from streamaug.cli.table import table
from streamaug.cli.verify import verify
from streamaug.cli.warm import warm

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")


def _print_version(is_requested: bool) -> None:
    if is_requested:
        import streamaug

        typer.echo(f"streamaug {streamaug.__version__}")
        raise typer.Exit


@app.callback()
def _streamaug(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only errors on stderr: no progress, notes or warnings.", callback=begin)
    ] = False,
) -> None:
    """Shard labelled audio by codec condition, and train on mixtures of those conditions.

    --debug and --quiet may also be at the end of a command.
    """


app.command()(build)
app.command()(compact)
app.command()(compare)
app.command()(diff)
app.command()(doctor)
app.command()(explore)
app.command()(info)
app.command()(log)
app.command()(plan)
app.command()(prune)
app.command()(quality)
app.command()(stream)
app.command()(stress)
app.command()(table)
app.command()(verify)
app.command()(warm)
app.add_typer(recipe, name="recipe")


def main() -> None:
    run(app)
