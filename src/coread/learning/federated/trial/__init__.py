"""A whole federation on one machine, in real processes over TLS: for demonstration, tests and benchmarks."""
