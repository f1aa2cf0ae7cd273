"""Attacks that a federation must stand: who was in the training, and what did an update show."""
