"""Uncertainty measured: conformal sets, novelty, selective risk, and thresholds that follow a new version."""
