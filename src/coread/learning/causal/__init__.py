"""What a score owes to the disease and what to how the picture was taken: graphs, effects, traps."""
