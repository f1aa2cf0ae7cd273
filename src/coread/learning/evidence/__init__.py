"""Evidence items: what an evaluation showed, in files that a regulator can file, each with its grade."""
