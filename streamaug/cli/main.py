"""The command `streamaug`: one file a command, errors told in one line.

Commands import what is heavy inside their functions: `streamaug plan` must answer at once, torch alone takes seconds.
"""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from streamaug.cli.build import build
from streamaug.cli.diff import diff
from streamaug.cli.doctor import doctor
from streamaug.cli.info import info
from streamaug.cli.plan import plan
from streamaug.cli.quality import quality
from streamaug.cli.recipe import recipe
from streamaug.cli.stream import stream
from streamaug.cli.verify import verify
from streamaug.cli.warm import warm
from streamaug.errors import StreamaugError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.callback()
def _streamaug(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    """Codec conditions as tar shards, training conditions as mixtures of them."""


app.command()(build)
app.command()(diff)
app.command()(doctor)
app.command()(info)
app.command()(plan)
app.command()(quality)
app.command()(stream)
app.command()(verify)
app.command()(warm)
app.add_typer(recipe, name="recipe")


def run(app: typer.Typer) -> None:
    """Run a typer application: an error of streamaug's ends in one message and exit code 1, its traceback only with --debug.

    `--debug` may stand anywhere on the line, so that it can be added behind a command that failed.
    """
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments)
    except StreamaugError as error:
        if debug:
            raise
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
        sys.exit(1)


def main() -> None:
    run(app)
