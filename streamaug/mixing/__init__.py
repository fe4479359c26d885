"""Recipe, permutation, plan and ledger: which clips a training run sees in which conditions, settled before the first byte is read."""

from streamaug.mixing.holdings import Column, Groups, Holdings, Runs
from streamaug.mixing.loading import load_recipe
from streamaug.mixing.plan import Identity, Plan, Rows
from streamaug.mixing.recipe import Recipe, Share
from streamaug.mixing.schedule import Schedule

__all__ = ["Column", "Groups", "Holdings", "Identity", "Plan", "Recipe", "Rows", "Runs", "Schedule", "Share", "load_recipe"]
