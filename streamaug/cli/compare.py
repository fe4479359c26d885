"""streamaug compare: cards side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaug.cli.json_output import AsJson, print_json
from streamaug.errors import StoreError

if TYPE_CHECKING:
    from streamaug.stress.compare import Comparison


def compare(
    cards: Annotated[list[Path], typer.Argument(metavar="CARD CARD...", help="Folders that 'streamaug stress' wrote.")],
    out: Annotated[Path | None, typer.Option(help="Folder for comparison.json and comparison.html. Default: only print.")] = None,
    drop: Annotated[
        float,
        typer.Option(min=0.1, max=99, help="Loss in % of a model's value on the original that the breaking bitrate allows."),
    ] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Compare models on the same clips: what each has more than the first, with 95 % intervals.

    The cards must be of the same split of the same snapshot. Differences are paired by clip, and
    whole groups of clips are drawn for the intervals; a star marks those that exclude zero.
    """
    from streamaug.cli.console import stdout
    from streamaug.files import write_whole
    from streamaug.stress.card_file import canonical_json
    from streamaug.stress.compare import MOST, open_card
    from streamaug.stress.compare import compare as compare_cards
    from streamaug.stress.compare_page import comparison_page

    if len(cards) < 2:
        raise StoreError(f"a comparison needs at least two cards; name another folder after {cards[0]}")
    if len(cards) > MOST:
        raise StoreError(f"{len(cards)} cards are too many to tell apart; compare {MOST} or fewer at a time")
    comparison = compare_cards([open_card(card) for card in cards], drop=drop / 100)
    written: list[Path] = []
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        written = [out / "comparison.json", out / "comparison.html"]
        write_whole(written[0], canonical_json(comparison))
        write_whole(written[1], comparison_page(comparison))
    if as_json:
        print_json("compare", {**comparison.model_dump(mode="json"), "written": list(map(str, written))})
    else:
        _show(comparison)
        if written:
            stdout.print(f"written: {', '.join(map(str, written))}")


def _show(comparison: "Comparison") -> None:
    from streamaug.cli.console import stdout
    from streamaug.cli.tables import print_lines
    from streamaug.stress.compare_page import breaking_lines, comparison_headline, difference_lines

    print_lines(difference_lines(comparison))
    if len(lines := breaking_lines(comparison)) > 1:
        stdout.print(
            f"breaking bitrates, below which a codec costs more than {100 * comparison.drop:g} % of a model's own value on the original:"
        )
        print_lines(lines)
    stdout.print(comparison_headline(comparison))
    if comparison.skipped:
        stdout.print(f"left out, since not all cards have them: {', '.join(comparison.skipped)}")
