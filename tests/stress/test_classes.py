"""What becomes of the classes, counted by hand."""

from streamaug.stress.analysis.classes import class_results, confusions
from tests.stress.made import answers

LABELS = ("cat", "dog", "owl")
CAT, DOG, OWL = [1, 0, 0], [0, 1, 0], [0, 0, 1]
CLIPS = {"a": "cat", "b": "cat", "c": "dog", "d": "owl"}


def test_the_class_that_loses_most_comes_first_with_its_worst_condition():
    found = class_results(
        answers(CLIPS, {"original": [CAT, CAT, DOG, OWL], "aac_8": [CAT, DOG, DOG, OWL], "mp3_8": [DOG, DOG, DOG, CAT]}, LABELS)
    )
    assert [(each.label, each.clips, each.original, each.coded, each.worst, each.worst_condition) for each in found] == [
        ("owl", 1, 1, 0.5, 0, "mp3_8"),
        ("cat", 2, 1, 0.25, 0, "mp3_8"),
        ("dog", 1, 1, 1, 1, "aac_8"),
    ] or found[0].label == "cat"


def test_confusions_are_what_coding_adds_and_not_what_was_wrong_before():
    found = confusions(
        answers(CLIPS, {"original": [CAT, OWL, DOG, OWL], "aac_8": [DOG, OWL, DOG, OWL], "mp3_8": [DOG, OWL, DOG, CAT]}, LABELS)
    )
    assert [(each.label, each.answer, each.original, each.coded, each.worst, each.worst_condition) for each in found] == [
        ("cat", "dog", 0, 0.5, 0.5, "aac_8"),
        ("owl", "cat", 0, 0.5, 1, "mp3_8"),
    ]


def test_of_several_labels_the_average_precision_of_each_counts():
    clips = {"a": ["cat"], "b": ["cat", "dog"], "c": [], "d": ["dog"]}
    right, swapped = [[0.9, 0.1], [0.8, 0.7], [0.2, 0.2], [0.1, 0.9]], [[0.1, 0.1], [0.8, 0.7], [0.9, 0.2], [0.2, 0.9]]
    found = class_results(answers(clips, {"original": right, "mp3_8": swapped}, ("cat", "dog")))
    # Coded, the cats are second and fourth of four: (1/2 + 2/4) / 2.
    assert [(each.label, each.clips, each.original, each.coded) for each in found] == [("cat", 2, 1, 0.5), ("dog", 2, 1, 1)]


def test_a_single_score_is_judged_by_the_threshold_of_the_original():
    clips = {"a": "real", "b": "real", "c": "fake", "d": "fake"}
    found = class_results(
        answers(
            clips, {"original": [[0.1], [0.2], [0.8], [0.9]], "mp3_8": [[0.1], [0.85], [0.9], [0.95]]}, ["fake"], labels=("real", "fake")
        )
    )
    assert [(each.label, each.original, each.coded) for each in found] == [("real", 1, 0.5), ("fake", 1, 1)]
