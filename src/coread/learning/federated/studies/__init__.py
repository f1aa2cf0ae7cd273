"""The studies of federation: by scanner, by source, on an unseen site, privacy, attacks, contribution."""
