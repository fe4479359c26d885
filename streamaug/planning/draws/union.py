"""The draw `union`: each clip in each condition, as often as the weight says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from streamaug.keys import named_key
from streamaug.planning.candidates import CandidateSetBuilder, CandidateSets, Stratum, eligible_clips
from streamaug.planning.draws.base import Cell, Cells, CellsOfEpoch
from streamaug.planning.draws.group_weights import GroupWeights, check_equal
from streamaug.planning.inventory import Inventory
from streamaug.recipes.draws import NoOptions
from streamaug.recipes.recipe import Recipe, Share


class UnionDraw:
    """Each clip in each condition, as often as the weight says."""

    name = "union"
    version = "1"
    summary = "each clip in each condition"
    options = NoOptions
    takes = ("weights",)

    def check(self, recipe: Recipe) -> None:
        """Accept every recipe."""

    def open(self, recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, CellsOfEpoch]:
        """The clips of each condition, and the cells of each epoch."""
        builder = CandidateSetBuilder(recipe, inventory)
        masks = eligible_clips(recipe, inventory)
        strata = [builder.strata((condition,), mask, (number,)) for number, (condition, mask) in enumerate(masks.items())]
        check_equal(recipe, strata)
        factors = [
            GroupWeights.of(recipe, [stratum.name[1:] for stratum in groups], [stratum.size for stratum in groups]).factors
            for groups in strata
        ]
        return builder.build(), UnionCells(shares=list(recipe.mixture.values()), strata=strata, factors=factors, seed=seed).cells


@dataclass(frozen=True, kw_only=True)
class UnionCells:
    """The cells of a union's epochs.

    The clips of a stratum are a circle that never changes. Before epoch e, floor(size x factor x sum
    of the weights before e) of its ordinals were taken, and the epoch continues from there. So each
    clip comes floor(w) or ceil(w) times per epoch, w being the weight times the factor, and over all
    epochs equally often. With G groups, the i-th is rounded down after i/G was added, so that
    roundings do not add up.

    Args:
        shares: The weight of each condition.
        strata: For each condition, its strata: a single one, or one per group.
        factors: For each condition, the factor of each of its strata.
        seed: Seed for all shuffles.
    """

    shares: Sequence[Share]
    strata: Sequence[Sequence[Stratum]]
    factors: Sequence[Sequence[Fraction]]
    seed: int

    def cells(self, epoch: int) -> Cells:
        """The cells of an epoch."""
        cells = []
        for condition, (share, groups, factors) in enumerate(zip(self.shares, self.strata, self.factors, strict=True)):
            before, after = share.weight.before(epoch), share.weight.before(epoch + 1)
            unit = len(groups) * math.lcm(before.denominator, after.denominator)
            per_clip = int(before * unit), int(after * unit)  # ordinals in whole units: exact, and quicker than fractions
            for number, (stratum, factor) in enumerate(zip(groups, factors, strict=True)):
                size, whole = stratum.size * factor.numerator, unit * factor.denominator
                offset = number * (whole // len(groups))
                first, end = ((size * each + offset) // whole for each in per_clip)
                if end > first:
                    key = named_key(self.seed, "order", *stratum.name)
                    cells.append(Cell((condition,), stratum.candidate_set, first % stratum.size, end - first, key))
        return Cells.of(cells, views=1)
