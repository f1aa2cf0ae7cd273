"""Image, facts and words in one score, any of them missing; and whether the facts help or only confound."""
