"""Consent: what each person agreed to, and the one place that says whether a use may go on."""
