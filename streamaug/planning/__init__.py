"""From a recipe and a store to exact rows, before audio is read; pure, and without torch."""

from streamaug.planning.identity import Identity
from streamaug.planning.inventory import Column, Grouping, Groups, Inventory
from streamaug.planning.plan import Plan, Rows

__all__ = ["Column", "Grouping", "Groups", "Identity", "Inventory", "Plan", "Rows"]
