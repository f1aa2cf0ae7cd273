"""Flower: the wires of a federation (SuperLink, nodes, messages over TLS); no other room imports ``flwr``.

Flower's public message API carries orders and answers. The site's node and the coordinator's driver stand on
Flower's own clients of its Fleet, Control and Runtime interfaces; they are not part of what Flower calls
public, hence the narrow range of versions in ``pyproject.toml``. ``docs/federation.md`` says why a site runs
no ``flower-supernode``: that would fetch and run whatever code the coordinator's side sends.
"""
