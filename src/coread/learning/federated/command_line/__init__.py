"""Commands of a federation: ``coread-lab federation`` for its coordinator, ``coread-lab site`` for a site."""
