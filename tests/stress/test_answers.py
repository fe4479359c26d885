"""Predictions become arrays if they are whole, and are refused with a reason if not."""

import numpy as np
import pyarrow as pa
import pytest

from streamaug.errors import CorruptError
from streamaug.stress.analysis.answers import answers_of
from streamaug.stress.predictions import Predictions
from tests.stress.made import answers, predictions_of

CLIPS = {"a": "cat", "b": "dog", "c": "cat"}
LABELS = ("cat", "dog")
RIGHT = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]
WRONG = [[0.1, 0.9], [0.2, 0.8], [0.4, 0.6]]


def test_conditions_are_in_the_order_of_codec_and_bitrate():
    names = ["original", "mp3_128", "mp3_64", "aac_8", "pitch", "sbc_64+aac_8"]
    found = answers(CLIPS, dict.fromkeys(names, RIGHT), LABELS)
    assert found.conditions == ("original", "aac_8", "mp3_64", "mp3_128", "pitch", "sbc_64+aac_8")


def test_the_order_of_the_rows_does_not_matter():
    made = predictions_of(CLIPS, {"original": RIGHT, "mp3_64": WRONG}, LABELS)
    shuffled = Predictions(table=made.table.take(pa.array([5, 0, 3, 1, 4, 2])), columns=LABELS, keys=made.keys)
    one, other = (answers_of(each, LABELS, "p") for each in (made, shuffled))
    assert np.array_equal(one.scores, other.scores)
    assert one.clips_digest == other.clips_digest


def test_a_single_score_is_for_the_class_that_it_names_whichever_it_is():
    single = {"original": [[0.1], [0.8], [0.3]]}
    dog, cat = (answers(CLIPS, single, [name], labels=LABELS) for name in ("dog", "cat"))
    assert (dog.labels, cat.labels) == (("cat", "dog"), ("dog", "cat"))
    assert dog.values == pytest.approx([0])
    assert cat.values == pytest.approx([1])
    assert dog.right.all()
    assert dog.clips_digest == cat.clips_digest


def test_margins_say_how_far_the_right_class_leads():
    found = answers({"a": "cat", "b": "owl"}, {"original": [[0.7, 0.2, 0.1], [0.5, 0.1, 0.4]]}, ("cat", "dog", "owl"))
    assert found.margins == pytest.approx(np.array([[0.5, -0.1]]))


def test_guessing_is_the_share_of_the_most_frequent_class():
    three = ("cat", "dog", "owl")
    assert answers(CLIPS, {"original": [[1, 0, 0]] * 3}, three).chance == pytest.approx(2 / 3)
    assert answers(CLIPS, {"original": RIGHT}, LABELS).chance == 0.5
    several = answers({"a": ["cat"], "b": ["cat", "dog"]}, {"original": [[1, 0, 0]] * 2}, three)
    assert several.chance == pytest.approx((1 + 0.5) / 2)


def test_another_clip_group_or_label_is_another_digest():
    base = answers(CLIPS, {"original": RIGHT}, LABELS).clips_digest
    assert answers(CLIPS, {"original": WRONG, "mp3_64": RIGHT}, LABELS).clips_digest == base
    assert answers(CLIPS | {"c": "dog"}, {"original": RIGHT}, LABELS).clips_digest != base
    assert answers(CLIPS, {"original": RIGHT}, LABELS, groups={"a": "g", "b": "g"}).clips_digest != base


def test_without_the_original_there_is_nothing_to_compare_with():
    with pytest.raises(CorruptError, match="no predictions on 'original'"):
        answers(CLIPS, {"mp3_64": RIGHT}, LABELS)


def test_a_condition_with_other_clips_is_refused_and_named():
    made = predictions_of(CLIPS, {"original": RIGHT, "mp3_64": WRONG}, LABELS)
    with pytest.raises(CorruptError, match="'mp3_64' has 2 clips, 'original' has 3"):
        answers_of(
            Predictions(
                table=made.table.slice(0, 5) if made.table["condition"][0].as_py() == "original" else made.table.slice(1),
                columns=LABELS,
                keys=made.keys,
            ),
            LABELS,
            "p",
        )


def test_a_score_that_is_not_finite_is_refused_and_names_the_clip():
    for value in (float("nan"), float("inf")):
        with pytest.raises(CorruptError, match=r"clip 'b' in 'mp3_64' has a score that is not a number"):
            answers(CLIPS, {"original": RIGHT, "mp3_64": [[0, 1], [value, 1], [0, 1]]}, LABELS)


def test_scores_for_other_labels_than_the_store_has_are_refused():
    with pytest.raises(CorruptError, match="the scores are for cat, owl, but the labels are cat, dog"):
        answers(CLIPS, {"original": RIGHT}, ("cat", "owl"), labels=LABELS)
    with pytest.raises(CorruptError, match="a clip has a label that the store does not have"):
        answers(CLIPS | {"a": "owl"}, {"original": RIGHT}, LABELS)


def test_a_clip_that_appears_twice_is_refused():
    made = predictions_of(CLIPS, {"original": RIGHT}, LABELS)
    doubled = Predictions(table=pa.concat_tables([made.table, made.table.slice(0, 1)]), columns=LABELS, keys=made.keys)
    with pytest.raises(CorruptError, match="a clip appears twice"):
        answers_of(doubled, LABELS, "p")
