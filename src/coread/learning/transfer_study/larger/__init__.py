"""The same question at larger images and on questions that are not yet answered by a small network."""
