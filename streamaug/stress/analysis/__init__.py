"""Figures from predictions: pure functions, without files or models."""
