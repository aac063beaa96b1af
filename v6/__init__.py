"""V6: YAML rules in git become an options desk at Interactive Brokers."""

__version__ = "0.1.0"
