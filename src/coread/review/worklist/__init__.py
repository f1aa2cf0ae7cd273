"""The reading list: which study cannot wait, and why."""
