"""Self-contained HTML pages: text, tables, pictures, and sounds to hear."""
