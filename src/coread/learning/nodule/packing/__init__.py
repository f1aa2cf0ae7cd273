"""Packing the nodule reader: recipe, calibration, gate, card and bundle."""
