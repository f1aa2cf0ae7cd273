"""A study plan: one frozen file that says all that will be done, and whose hash is what sites approve."""
