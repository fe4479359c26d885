"""The two-stage ensemble."""

import numpy as np

from train.paper.fusion import GROUPS, two_stage


def test_ten_scenes_map_to_three_groups_as_the_authors_do():
    assert [GROUPS[label] for label in sorted(GROUPS)] == [0, 2, 2, 0, 1, 1, 0, 1, 1, 2]


def test_the_score_is_the_product_of_the_two_sums():
    generator = np.random.default_rng(0)
    scenes, coarse = generator.dirichlet(np.ones(10), (3, 5)), generator.dirichlet(np.ones(3), (2, 5))
    groups = list(GROUPS.values())
    score = two_stage(list(scenes), list(coarse), groups)
    for clip in range(5):
        for label in range(10):
            expected = sum(model[clip, label] for model in scenes) * sum(model[clip, groups[label]] for model in coarse)
            assert np.isclose(score[clip, label], expected)
