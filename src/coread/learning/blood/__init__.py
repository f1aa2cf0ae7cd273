"""Blood smears: finding cells on fields (BCCD), naming white cells (PBC), and the reader made of both."""
