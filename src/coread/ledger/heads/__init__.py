"""Signed heads of the log: made with a key, kept, and shown to witnesses who keep them too."""
