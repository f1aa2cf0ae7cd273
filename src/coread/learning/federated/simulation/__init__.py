"""A federation in one process: the same tasks and strategies, and the comparators it must be held against."""
