"""The page of a card: what coding does to a model, to read, to see and to hear."""

from collections.abc import Mapping, Sequence

from streamaug.condition_names import split_link
from streamaug.links import Link
from streamaug.pages.page import Part, Picture, Section, Table, Text, page
from streamaug.recipes.leave_one_out import codecs_of, encoders_of
from streamaug.store import Store
from streamaug.stress.analysis.answers import Answers
from streamaug.stress.analysis.breaking import Breaking
from streamaug.stress.card_clips import clips_section
from streamaug.stress.card_file import Card, ConditionResult
from streamaug.stress.card_sections import classes_section, grades_section, left_out_section
from streamaug.stress.charts import bitrate_chart, is_unseen, threshold_of
from streamaug.stress.number_texts import interval_text, number_text, signed_interval_text, signed_text, thousands

_FEW_GROUPS = 20
"""With fewer groups, a bootstrap's intervals are somewhat too narrow."""

_TITLES = {"accuracy": "Accuracy", "mAP": "Mean average precision (mAP)", "EER": "Equal error rate (EER)"}
_GUESSES = {"accuracy": "always the most frequent class", "mAP": "random scores", "EER": "random scores"}


def card_page(card: Card, answers: Answers, store: Store, links: Mapping[str, Link] | None = None) -> str:
    """The page as HTML.

    Args:
        card: All figures.
        answers: What they are computed from.
        store: Where the clips to hear are.
        links: The links of the conditions by name. Default: none.

    Raises:
        CorruptError: A clip to hear is damaged.
        FetchError: It could not be read.
    """
    has_coded = len(card.conditions) > 1
    sections = [
        _conditions(card),
        *([_breaking(card)] if card.breaking else []),
        *([classes_section(card, answers)] if card.classes else []),
        *([clips_section(card, store, links or {})] if card.worst else []),
        *([grades_section(card)] if has_coded else []),
        *([left_out_section(card.left_out)] if card.left_out else []),
        _measured(card),
    ]
    return page(f"What coding does to {card.settings.model.name}", card.headline, sections)


def _conditions(card: Card) -> Section:
    about = (
        f"{card.clips} clips in {card.groups} groups, split '{card.settings.split}' of {card.settings.store}. Guessing "
        f"({_GUESSES[card.metric]}) gives {card.chance:.3f}. "
    )
    if card.resamples:
        about += f"Intervals contain 95 % of {thousands(card.resamples)} draws of whole groups; in the chart they are vertical lines."
    else:
        about += "There are no intervals, since all clips are of one group."
    if 1 < card.groups < _FEW_GROUPS:
        about += f" With {card.groups} groups, they are somewhat too narrow."
    if any(map(is_unseen, card.conditions)):
        about += " Hollow marks are conditions that the model was not trained on."
    parts: list[Part] = [Text(text=about)]
    if card.breaking:
        codecs = ", ".join(each.codec for each in card.breaking)
        alt = f"{card.metric} over the bitrate, a line for each of {codecs}; the table has the numbers"
        parts.append(Picture(png=bitrate_chart(card), alt=alt))
    parts.append(_condition_table(card.conditions, card.metric))
    return Section(title=_TITLES[card.metric], parts=parts)


def _condition_table(results: Sequence[ConditionResult], metric: str) -> Table:
    has_recipe = results[0].familiarity is not None
    rows = []
    for number, result in enumerate(results):
        changes = [signed_text(result.difference), signed_interval_text(result.difference_low, result.difference_high)]
        row = [result.condition, number_text(result.value), interval_text(result.low, result.high), *(changes if number else ["", ""])]
        rows.append([*row, *([result.familiarity or ""] if has_recipe else [])])
    header = ["condition", metric, "95 % interval", "change", "95 % interval of the change", *(["trained on it?"] if has_recipe else [])]
    return Table(header=header, rows=rows)


def _breaking(card: Card) -> Section:
    what, side = ("1 − EER", "above") if card.metric == "EER" else (card.metric, "below")
    text = (
        f"Below its breaking bitrate, a codec costs more than {100 * card.drop:g} % of the original's {what}: {card.metric} is {side} "
        f"{number_text(threshold_of(card))}, the dashed line. Between tested bitrates it is read off a curve over the logarithm of the "
        "bitrate that never gets worse with more bits (isotonic regression, straight between two bitrates). 'None down to': even the "
        "lowest tested bitrate costs less than that; 'above': even the highest costs more."
    )
    rows = []
    for each in card.breaking:
        row = [each.codec, _in_words(each), _interval(each), ", ".join(f"{kbps:g}" for kbps in each.tested)]
        if card.recipe:
            encoder = split_link(each.codec)[0]
            steps = encoders_of if "@" in encoder else codecs_of
            row.append(", ".join(name for name in card.recipe.conditions if encoder in steps(name)) or "nothing: unseen")
        rows.append(row)
    header = ["codec", "breaking bitrate", "95 % interval", "tested (kbps)", *(["trained on"] if card.recipe else [])]
    return Section(title="Breaking bitrates", parts=[Text(text=text), Table(header=header, rows=rows)])


def _interval(breaking: Breaking) -> str:
    if breaking.low is None or breaking.low == breaking.high:
        return str(breaking.low or "")
    return f"{breaking.low} to {breaking.high}"


def _in_words(breaking: Breaking) -> str:
    if breaking.bitrate.case == "below":
        return f"none down to {breaking.bitrate.kbps:g} kbps"
    return str(breaking.bitrate)


def _measured(card: Card) -> Section:
    settings = card.settings
    model = settings.model
    facts = [
        ["model", f"{model.name} ({model.kind})"],
        ["sha256 of the model", model.sha256],
        ["store, snapshot, split", f"{settings.store}, {card.snapshot}, {settings.split}"],
        ["what the model gets", f"{settings.features}, at {settings.rate} Hz"],
        ["sha256 of the clips", card.clips_sha256],
        *([link.name, f"a link: {link.what}, sha256 {link.sha256}"] for link in card.links),
        ["trained on", f"{card.recipe.title}, hash {card.recipe.hash}" if card.recipe else "unknown; name its recipe with --recipe"],
        ["computed by", ", ".join([settings.device, *(f"{name} {version}" for name, version in sorted(settings.versions.items()))])],
    ]
    return Section(
        title="How this was measured",
        folded=True,
        parts=[
            Table(header=["what", "value"], rows=facts),
            Text(text="card.json has all figures, and predictions.parquet every score. To compare this card with that of another model:"),
            Text(text="streamaug compare THIS_FOLDER OTHER_FOLDER --out COMPARISON", kind="code"),
        ],
    )
