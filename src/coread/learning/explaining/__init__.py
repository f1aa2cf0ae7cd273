"""Where and why a reader said so: maps, counterfactuals, and the tests that decide what a doctor may see."""
