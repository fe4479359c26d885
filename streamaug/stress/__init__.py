"""Stress a model: how well it does on every condition of a store, and what its card shows."""
