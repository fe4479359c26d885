"""From weights to rows: one draw per file."""
