"""The recipe language: which conditions a training mixes, and with which weights."""

from streamaug.recipes.loading import load_recipe
from streamaug.recipes.recipe import Recipe, Share
from streamaug.recipes.schedule import Schedule

__all__ = ["Recipe", "Schedule", "Share", "load_recipe"]
