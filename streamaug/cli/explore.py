"""streamaug explore: hear and see a store in a browser."""

from pathlib import Path
from typing import Annotated

import typer


def explore(
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    recipes: Annotated[
        list[Path] | None, typer.Option(help="Recipe, or folder of recipes; each clip lists those that hold it. May be repeated.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split that the recipes are drawn from.")] = "train",
    host: Annotated[str, typer.Option(help="Address to listen at; only this machine can reach 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen at; 0 for a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    export: Annotated[Path | None, typer.Option(help="Folder for a static page of some clips; no server is started.")] = None,
    clips: Annotated[
        int | None, typer.Option(min=1, help="Number of clips of the static page, spread over the labels. Default: 12.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Which clips the static page may take: column and values, such as label=rain,wind or fold!=4. May be repeated."),
    ] = None,
) -> None:
    """Find clips, hear every condition, switch between them at the same place, and see what coding took away."""
    if export is None and (where or clips):
        raise typer.BadParameter("--where and --clips choose the clips of a static page; add --export FOLDER")

    from streamaug.cli.console import ProgressBar, note, stdout
    from streamaug.explore.explorer import Explorer
    from streamaug.explore.membership import load_recipes
    from streamaug.store import Store
    from streamaug.temporary import temporary_folder

    with temporary_folder() as scratch:
        explorer = Explorer(Store.open(store), scratch, recipes=load_recipes(recipes or ()), split=split)
        if export is not None:
            from streamaug.explore.export import export_page

            with ProgressBar() as bar:
                export_page(explorer, export, clips=clips or 12, where=where or (), progress=bar)
            stdout.print(f"written: {export / 'index.html'}")
            return

        from streamaug.explore.hosts import is_loopback
        from streamaug.explore.serve import address_of, listening_socket, open_browser, serve

        if not is_loopback(host):
            note(f"warning: everybody who can reach {host} can hear and read this store; --host 127.0.0.1 keeps it to this machine")
        with listening_socket(host, port) as listening:
            address = address_of(listening)
            stdout.print(f"{explorer.store.url} is at {address} until Ctrl-C")
            serve(explorer, listening, host, started=lambda: open_browser(address) if browser else None)
