"""What each site gave and gained: values, signals of quality, statements, and shares by a rule file."""
