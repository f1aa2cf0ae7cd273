"""CoRead 共读: an open clinical imaging-AI system that closes the loop."""

__version__ = "0.1.0"

__all__ = ["__version__"]
