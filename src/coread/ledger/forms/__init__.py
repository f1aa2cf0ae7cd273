"""The forms in which events leave: proofs for an outsider, audit records, provenance, a table."""
