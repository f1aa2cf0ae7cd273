"""Differential privacy by example: noisy local updates, and what of the budget is spent."""
