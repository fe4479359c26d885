"""Print tables of benchmarks."""


def table(head: list[str], lines: list[list[str]]) -> None:
    """Print a Markdown table; all columns but the first are numbers.

    Args:
        head: Names of the columns.
        lines: Texts of the cells.
    """
    for line in (head, ["---", *["---:"] * (len(head) - 1)], *lines):
        print("| " + " | ".join(line) + " |")
    print()
