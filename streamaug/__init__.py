"""Codec conditions as tar shards, training conditions as mixtures of them."""
