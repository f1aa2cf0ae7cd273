"""Which images belong together, and which split each of them goes to."""
