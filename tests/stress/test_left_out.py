"""Leave-one-codec-out gaps from made-up runs."""

import numpy as np
import pytest

from streamaug.errors import StoreError
from streamaug.stress.analysis.left_out import TrainedRun, leave_one_out_gaps

CLIPS = np.array([f"c{number}" for number in range(10)])


def run(name, trained_on, clips=CLIPS, **right):
    return TrainedRun(
        name=name,
        sha256="0" * 64,
        trained_on=("original", *trained_on),
        clip_ids=clips,
        groups=clips,
        right={condition: np.arange(len(clips)) < count for condition, count in right.items()},
    )


def test_the_gap_is_the_accuracy_without_a_codec_less_that_with_it():
    found = leave_one_out_gaps(
        [
            run("all", ("mp3_64", "aac_32"), original=9, mp3_64=8, aac_32=8),
            run("no_mp3", ("aac_32",), original=9, mp3_64=5, aac_32=8),
            run("no_aac", ("mp3_64",), original=9, mp3_64=8, aac_32=8),
        ]
    )
    assert [(each.name, each.trained, each.left_out, each.difference) for each in found] == [
        ("aac", 0.8, 0.8, 0),
        ("mp3", 0.8, 0.5, pytest.approx(-0.3)),
    ]
    assert found[1].low <= -0.3 <= found[1].high <= 0


def test_seeds_are_averaged_and_chains_count_for_each_of_their_codecs():
    found = leave_one_out_gaps(
        [
            run("all_0", ("mp3_64", "aac_32"), mp3_64=8, **{"mp3_64+aac_32": 6}),
            run("all_1", ("mp3_64", "aac_32"), mp3_64=10, **{"mp3_64+aac_32": 4}),
            run("no_mp3", ("aac_32",), mp3_64=5, **{"mp3_64+aac_32": 5}),
        ]
    )
    (gap,) = found
    assert gap.conditions == ("mp3_64", "mp3_64+aac_32")
    assert (gap.trained, gap.left_out, gap.runs) == (pytest.approx(0.7), 0.5, (2, 1))


def test_one_encoder_of_several_and_the_whole_codec_have_gaps_of_their_own():
    everything = ("mp3_64", "mp3_64@shine", "aac_32")
    right = {"mp3_64": 8, "mp3_64@shine": 8, "aac_32": 8}
    found = leave_one_out_gaps(
        [
            run("all", everything, **right),
            run("no_shine", ("mp3_64", "aac_32"), **right | {"mp3_64@shine": 6}),
            run("no_lame", ("mp3_64@shine", "aac_32"), **right | {"mp3_64": 7}),
            run("no_mp3", ("aac_32",), **right | {"mp3_64": 2, "mp3_64@shine": 4}),
        ]
    )
    assert [(each.name, each.conditions, each.difference) for each in found] == [
        ("mp3", ("mp3_64", "mp3_64@shine"), pytest.approx(-0.5)),
        ("mp3@default", ("mp3_64",), pytest.approx(-0.1)),
        ("mp3@shine", ("mp3_64@shine",), pytest.approx(-0.2)),
    ]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([run("a", ("mp3_64",), mp3_64=5), run("b", ("aac_32",), mp3_64=5)], "no run was trained on all of aac@default, mp3@default"),
        ([run("a", ("mp3_64", "aac_32"), mp3_64=5)], "no run leaves a codec out"),
        ([run("a", ("mp3_64", "aac_32"), mp3_64=5), run("b", (), mp3_64=5)], "b was trained without aac@default, mp3@default"),
        ([run("a", ("mp3_64", "aac_32"), mp3_64=5), run("b", ("aac_32",), CLIPS[:4], mp3_64=3)], "different clips"),
        ([run("a", ("mp3_64", "aac_32"), aac_32=5), run("b", ("aac_32",), aac_32=5)], "no condition of mp3 was evaluated"),
    ],
    ids=["no complete run", "nothing left out", "two left out", "other clips", "not evaluated"],
)
def test_runs_that_do_not_fit_together_are_refused_with_the_reason(runs, message):
    with pytest.raises(StoreError, match=message):
        leave_one_out_gaps(runs)
