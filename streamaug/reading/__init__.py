"""Bitstreams on demand: joined ranged reads, checked, cached on a local disk."""
