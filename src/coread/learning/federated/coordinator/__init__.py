"""The coordinator of a federation: its folder, its rounds, what it checks and what it remembers."""
