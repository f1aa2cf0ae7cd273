"""How much a pretrained trunk gains over training from scratch, at 1, 10 and 100 % of the labels."""
