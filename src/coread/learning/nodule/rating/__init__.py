"""From outlines to sizes, characteristics and rated malignancy, and how these compare with size alone."""
