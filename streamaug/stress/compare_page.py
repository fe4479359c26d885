"""The page of a comparison, and its tables."""

from collections.abc import Sequence

from streamaug.pages.charts import Series, by_condition
from streamaug.pages.page import Part, Picture, Section, Table, Text, page
from streamaug.stress.compare import Comparison, Row, Side
from streamaug.stress.number_texts import interval_text, number_text, signed_interval_text, signed_text


def comparison_page(comparison: Comparison) -> str:
    """The page as HTML.

    Args:
        comparison: All figures.
    """
    first, *others = [model.name for model in comparison.models]
    about = (
        f"{comparison.clips} clips in {comparison.groups} groups, split '{comparison.split}' of {comparison.store}, snapshot "
        f"{comparison.snapshot}. Differences are paired: all models are compared on the same draws of whole groups. A star marks 95 % "
        "intervals that exclude zero."
    )
    if comparison.skipped:
        about += f" Left out, since not all cards have them: {', '.join(comparison.skipped)}."
    sections = [
        Section(title=f"Differences from {first}", parts=[Text(text=about), *_differences(comparison)]),
        Section(title=f"Each model's {comparison.metric}", parts=_values(comparison)),
    ]
    if comparison.models[0].breaking:
        text = f"The bitrate below which a codec costs more than {100 * comparison.drop:g} % of a model's own value on the original."
        sections.append(Section(title="Breaking bitrates", parts=[Text(text=text), _table(breaking_lines(comparison))]))
    return page(f"{first} against {', '.join(others)}", comparison_headline(comparison), sections)


def comparison_headline(comparison: Comparison) -> str:
    """What came out, in a sentence for each model after the first.

    Args:
        comparison: All figures.
    """
    rows = [("on the original", comparison.rows[0]), *([("on average when coded", comparison.mean)] if comparison.mean else [])]
    sentences = []
    for number, model in enumerate(comparison.models[1:], start=1):
        parts = [f"{signed_text(row.sides[number].difference)} {where}{_bracket(row.sides[number])}" for where, row in rows]
        sentences.append(f"{comparison.metric} of {model.name} less that of {comparison.models[0].name}: {' and '.join(parts)}.")
    return " ".join(sentences)


def _bracket(side: Side) -> str:
    interval = signed_interval_text(side.difference_low, side.difference_high)
    return f" (95 %: {interval})" if interval else ""


def difference_lines(comparison: Comparison) -> list[list[str]]:
    """Header and lines of the table of differences: for each condition the first model's value, and
    that of each other one with what it has more.

    Args:
        comparison: All figures.
    """
    header = ["condition", comparison.models[0].name]
    for model in comparison.models[1:]:
        header += [model.name, "difference", "95 % interval"]
    lines = [header]
    for row in _all_rows(comparison):
        line = [row.condition, number_text(row.sides[0].value)]
        for side in row.sides[1:]:
            interval = signed_interval_text(side.difference_low, side.difference_high)
            line += [number_text(side.value), signed_text(side.difference), f"{interval}*" if side.is_significant else interval]
        lines.append(line)
    return lines


def breaking_lines(comparison: Comparison) -> list[list[str]]:
    """Header and lines of the table of breaking bitrates.

    Args:
        comparison: All figures.
    """
    lines = [["codec", *(model.name for model in comparison.models)]]
    for number, first in enumerate(comparison.models[0].breaking):
        lines.append([first.codec, *(str(model.breaking[number].bitrate) for model in comparison.models)])
    return lines


def _all_rows(comparison: Comparison) -> list[Row]:
    return [*comparison.rows, *([comparison.mean] if comparison.mean else [])]


def _table(lines: list[list[str]]) -> Table:
    return Table(header=lines[0], rows=lines[1:])


def _differences(comparison: Comparison) -> list[Part]:
    rows = _all_rows(comparison)
    first = comparison.models[0].name
    series = [
        _series(model.name, [(side.difference, side.difference_low, side.difference_high) for side in (row.sides[number] for row in rows)])
        for number, model in enumerate(comparison.models)
        if number
    ]
    limit = 1.05 * max(0.01, *(abs(end) for each in series for end in (*each.low, *each.high)))
    label = f"difference in {comparison.metric} from {first}, {comparison.clips} clips"
    names = [row.condition for row in rows]
    chart = by_condition(names, series, label=label, chance=0, line="no difference", limits=(-limit, limit))
    return [Picture(png=chart, alt=f"{label}, by condition; the table has the numbers"), _table(difference_lines(comparison))]


def _values(comparison: Comparison) -> list[Part]:
    rows = _all_rows(comparison)
    series = [
        _series(model.name, [(side.value, side.low, side.high) for side in (row.sides[number] for row in rows)])
        for number, model in enumerate(comparison.models)
    ]
    header = ["condition"]
    for model in comparison.models:
        header += [model.name, "95 % interval"]
    lines = [header]
    for row in rows:
        texts = [(number_text(side.value), interval_text(side.low, side.high)) for side in row.sides]
        lines.append([row.condition, *(text for pair in texts for text in pair)])
    label = f"{comparison.metric}, {comparison.clips} clips"
    chart = by_condition([row.condition for row in rows], series, label=label, chance=comparison.chance, limits=(0, 1))
    return [Picture(png=chart, alt=f"{comparison.metric} of each model, by condition; the table has the numbers"), _table(lines)]


def _series(name: str, values: Sequence[tuple[float, float | None, float | None]]) -> Series:
    """Values and the ends of their intervals; without an interval, the value itself."""
    return Series(
        name=name,
        values=[value for value, _, _ in values],
        low=[value if low is None else low for value, low, _ in values],
        high=[value if high is None else high for value, _, high in values],
    )
