"""The doctor's pages: the reading list, and one study with findings, report and signature."""
