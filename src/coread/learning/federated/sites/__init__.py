"""A site of a federation: its folder, its officer's rules, and what it does with an order."""
