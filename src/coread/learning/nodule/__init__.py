"""Lung nodules on CT: the published cohort, the outlining network, traits, malignancy, and the recipe."""
