"""Between values and rows of the casebook."""
