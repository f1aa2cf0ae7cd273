"""What an outsider needs to check an export of the ledger, without CoRead and without its database."""
