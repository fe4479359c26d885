"""Recipe, permutation, plan and ledger: which clips a training run sees in which conditions, settled before the first byte is read."""

from streamaug.mixing.holdings import Column, Holdings, Shards
from streamaug.mixing.plan import Identity, Plan, Rows
from streamaug.mixing.recipe import Recipe, Share, load_recipe
from streamaug.mixing.schedule import Schedule

__all__ = ["Column", "Holdings", "Identity", "Plan", "Recipe", "Rows", "Schedule", "Shards", "Share", "load_recipe"]
