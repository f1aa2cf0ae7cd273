"""What a doctor does with a study: each act with its rules, and one way to write them all."""
