"""Carrying a study out: who reads what when, what was read, and what came of it."""
