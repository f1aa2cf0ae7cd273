"""Studies of people reading with and without a reader: design, power, analysis, time and reliance."""
