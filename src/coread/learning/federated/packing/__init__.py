"""From a finished federation to a bundle that a clinic opens: calibrated and appraised at the sites."""
