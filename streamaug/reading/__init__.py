"""Read bitstreams on demand: merged byte ranges, checked, and cached on a local disk."""
