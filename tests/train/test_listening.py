"""The clip to hear is the one that coding does the most to, and captions say what was answered."""

import pyarrow as pa

from train.listening import answers_of, telling_clip, truth_of
from train.predictions import LABELS_SCHEMA, SCHEMA

LABELS = ("cat", "dog")


def line(condition, clip, dog, *, label="dog"):
    return {
        "row": "1", "seed": 0, "fold": None, "condition": condition, "clip_id": clip, "group": clip, "label": label,
        "predicted": "dog" if dog > 0.5 else "cat", "probabilities": [1 - dog, dog],
    }  # fmt: skip


def table(*lines):
    return pa.Table.from_pylist(list(lines), SCHEMA)


def test_the_clip_whose_class_loses_the_most_probability_is_heard():
    predictions = table(
        line("original", "a", 0.9), line("original", "b", 0.9), line("original", "c", 0.1, label="cat"),
        line("mp3_32", "a", 0.8), line("mp3_32", "b", 0.4), line("mp3_32", "c", 0.7, label="cat"),
        line("sbc_64", "a", 0.8), line("sbc_64", "b", 0.4), line("sbc_64", "c", 0.1, label="cat"),
    )  # fmt: skip
    assert telling_clip(predictions, LABELS) == "b"  # loses 0.5 in both; c loses 0.6 in one


def test_without_an_original_or_a_coded_condition_it_is_the_first_clip():
    for condition in ("original", "mp3_32"):
        assert telling_clip(table(line(condition, "b", 0.2), line(condition, "a", 0.9)), LABELS) == "b"


def test_captions_say_what_was_answered_and_whether_it_is_right():
    predictions = table(line("original", "a", 0.914), line("mp3_32", "a", 0.25), line("mp3_32", "b", 0.9))
    assert answers_of(predictions, "a", LABELS) == {"original": "dog (right, 91 % sure)", "mp3_32": "cat (wrong, 75 % sure)"}
    assert truth_of(predictions, "a") == "dog"


def test_several_labels_are_those_that_are_more_likely_than_not():
    lines = [
        {"row": "1", "seed": 0, "fold": None, "condition": condition, "clip_id": clip, "group": clip, "labels": own, "probabilities": given}
        for clip, own in (("a", ["cat", "dog"]), ("b", []))
        for condition, given in (("original", [0.9, 0.9] if own else [0.1, 0.1]), ("mp3_32", [0.9, 0.2] if own else [0.1, 0.1]))
    ]
    predictions = pa.Table.from_pylist(lines, LABELS_SCHEMA)
    assert telling_clip(predictions, LABELS) == "a"
    assert answers_of(predictions, "a", LABELS) == {"original": "cat, dog", "mp3_32": "cat"}
    assert answers_of(predictions, "b", LABELS)["mp3_32"] == truth_of(predictions, "b") == "none of the classes"
