"""One run of a recipe: a folder that a killed run goes on from, its provenance, and the report made of it."""
