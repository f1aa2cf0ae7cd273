"""Between hospitals: lung fields as a common frame, self-training on unlabelled images, the table."""
