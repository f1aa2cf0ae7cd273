"""The CT nodule reader: a point or a box on a CT slice becomes outline, sizes, traits and malignancy."""
