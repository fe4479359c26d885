"""From weights to rows: one file per draw."""
