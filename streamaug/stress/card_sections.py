"""Sections of a card: classes, perceived quality, and codecs left out of training."""

from streamaug.pages.page import Part, Picture, Section, Table, Text
from streamaug.stress.analysis.answers import Answers
from streamaug.stress.analysis.classes import answer_shares
from streamaug.stress.card_file import Card, LeftOut
from streamaug.stress.charts import class_chart, confusion_chart, grade_chart
from streamaug.stress.number_texts import number_text, share_text, signed_interval_text, signed_text

_CONFUSED = 12
"""The most classes of the matrix of confusions."""


def classes_section(card: Card, answers: Answers) -> Section:
    """Which classes suffer, and what they turn into.

    Args:
        card: The card.
        answers: What it is computed from.
    """
    worst = card.classes[0]
    measure = "its average precision" if card.metric == "mAP" else "the share of its clips that are answered right"
    text = (
        f"{worst.label} loses most: {measure} is {number_text(worst.original)} on the original, {number_text(worst.coded)} on average over "
        f"the coded conditions, and {number_text(worst.worst)} in {worst.worst_condition}."
    )
    chart = class_chart(card)
    parts: list[Part] = [
        Text(text=text),
        Picture(png=chart, alt="each class on the original, coded, and in its worst condition; the table has the numbers"),
        *(_confusions(card, answers) if card.confusions else []),
    ]
    rows = [
        [
            each.label,
            str(each.clips),
            number_text(each.original),
            number_text(each.coded),
            signed_text(each.coded - each.original),
            number_text(each.worst),
            each.worst_condition,
        ]
        for each in card.classes
    ]
    parts.append(Table(header=["class", "clips", "original", "mean of coded", "change", "worst", "in"], rows=rows))
    return Section(title="Which classes suffer, and what they turn into" if card.confusions else "Which classes suffer", parts=parts)


def _confusions(card: Card, answers: Answers) -> list[Part]:
    first = card.confusions[0]
    text = (
        f"What classes turn into: {share_text(first.original)} of the clips of {first.label} are answered as {first.answer} on the "
        f"original, and {share_text(first.coded)} when coded. Red answers become more frequent, blue ones less."
    )
    shown = _confused(card, answers)
    shares = answer_shares(answers)[:, shown][:, :, shown]
    chart = confusion_chart(100 * (shares[answers.coded].mean(0) - shares[0]), [answers.labels[number] for number in shown])
    rows = [
        [each.label, each.answer, share_text(each.original), share_text(each.coded), share_text(each.worst), each.worst_condition]
        for each in card.confusions
    ]
    return [
        Text(text=text),
        Picture(png=chart, alt="matrix of true classes and answers: how much more frequent each is when coded"),
        Table(header=["class", "answered as", "original", "mean of coded", "worst", "in"], rows=rows),
    ]


def _confused(card: Card, answers: Answers) -> list[int]:
    """Numbers of the classes of the matrix: all, or if there are many, those of the greatest
    confusions."""
    if len(answers.labels) <= _CONFUSED:
        return list(range(len(answers.labels)))
    names = dict.fromkeys(name for each in card.confusions for name in (each.label, each.answer))
    return sorted(answers.labels.index(name) for name in list(names)[:_CONFUSED])


def grades_section(card: Card) -> Section:
    """The metric against perceived quality, or how to get grades.

    Args:
        card: The card.
    """
    title = "Against perceived quality"
    if not card.grades:
        text = (
            "Does the model fail where people would hear a difference? The store has no grades of these clips. Grade it, and write the "
            "card again:"
        )
        return Section(title=title, parts=[Text(text=text), Text(text="streamaug quality STORE", kind="code")])
    values = {result.condition: result.value for result in card.conditions}
    graded = [[each.condition, signed_text(each.odg), str(each.clips), number_text(values[each.condition])] for each in card.grades]
    parts: list[Part] = [
        Text(text="How much of a difference listeners would hear (PEAQ Basic, a model of them), and what the model makes of it."),
        Picture(png=grade_chart(card), alt=f"{card.metric} of each condition over its mean grade; the table has the numbers"),
        Table(header=["condition", "mean ODG", "graded clips", card.metric], rows=graded),
    ]
    if card.grade_bins:
        rows = [[each.grade, str(each.answers), share_text(each.original), share_text(each.coded)] for each in card.grade_bins]
        parts.append(Text(text="Clip by clip, in all graded conditions together: how many clips of each grade are answered right."))
        parts.append(Table(header=["grade of the coded clip", "coded clips", "right on the original", "right when coded"], rows=rows))
    return Section(title=title, parts=parts)


def left_out_section(left_out: LeftOut) -> Section:
    """Leave-one-out gaps.

    Args:
        left_out: The gaps.
    """
    text = (
        "What a codec, or an encoder, costs that training never used: accuracy in its conditions of runs that left them out, less that of "
        "runs that were trained on them. These are models of their own, not the model of this card."
    )
    rows = [
        [
            gap.name,
            number_text(gap.trained),
            number_text(gap.left_out),
            signed_text(gap.difference),
            signed_interval_text(gap.low, gap.high),
            ", ".join(gap.conditions),
            f"{gap.runs[0]} and {gap.runs[1]}",
        ]
        for gap in left_out.gaps
    ]
    header = ["left out", "trained on it", "without it", "gap", "95 % interval", "evaluated in", "runs with and without"]
    return Section(title="Leaving one codec or encoder out of training", parts=[Text(text=text), Table(header=header, rows=rows)])
