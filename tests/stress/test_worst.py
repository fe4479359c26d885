"""The clips to hear: those that are right and sure, and then wrong and sure."""

import numpy as np

from streamaug.stress.analysis.worst import changed_clips
from tests.stress.made import answers

LABELS = ("cat", "dog", "owl")


def test_a_clip_must_be_sure_twice_so_the_smaller_margin_counts():
    clips = {"a": "cat", "b": "dog"}
    found = changed_clips(
        answers(
            clips,
            {
                "original": [[0.9, 0.1, 0.0], [0.3, 0.6, 0.1]],  # margins 0.8 and 0.3
                "mp3_8": [[0.4, 0.6, 0.0], [0.9, 0.05, 0.05]],  # -0.2 and -0.85
            },
            LABELS,
        )
    )
    assert [(each.clip_id, each.condition, each.label) for each in found] == [("b", "mp3_8", "dog"), ("a", "mp3_8", "cat")]
    assert found[0].original == (("dog", 0.6), ("cat", 0.3), ("owl", 0.1))
    assert found[0].coded[0] == ("cat", 0.9)


def test_what_was_wrong_on_the_original_or_stays_right_is_not_named():
    clips = {"a": "cat", "b": "dog"}
    assert changed_clips(answers(clips, {"original": [[0.1, 0.9, 0], [0, 1, 0]], "mp3_8": [[0.1, 0.9, 0], [0, 1, 0]]}, LABELS)) == []


def test_each_clip_comes_once_and_each_class_once_in_a_condition():
    rng = np.random.default_rng(0)
    names = [f"c{number:02}" for number in range(60)]
    clips = {name: LABELS[number % 3] for number, name in enumerate(names)}
    scores = {name: rng.random((60, 3)) for name in ("original", "aac_8", "mp3_8", "opus_8", "sbc_8")}
    found = changed_clips(answers(clips, scores, LABELS))
    assert 6 <= len(found) <= 8
    assert len({each.clip_id for each in found}) == len(found)
    assert len({(each.label, each.condition) for each in found}) == len(found)
    assert max([each.condition for each in found].count(name) for name in scores) == 2


def test_of_several_labels_a_lost_and_a_wrongly_found_one_count():
    clips = {"a": ["cat", "owl"], "b": []}
    found = changed_clips(
        answers(clips, {"original": [[0.9, 0.1, 0.8], [0.1, 0.1, 0.1]], "mp3_8": [[0.2, 0.1, 0.8], [0.1, 0.6, 0.1]]}, LABELS)
    )
    assert [(each.clip_id, each.label, each.labels, each.original[0], each.coded[0]) for each in found] == [
        ("a", "cat", ("cat", "owl"), ("cat", 0.9), ("cat", 0.2)),
        ("b", "dog", (), ("dog", 0.1), ("dog", 0.6)),
    ]
