"""A live market-data daemon for Indian brokers."""

__version__ = "0.1.0"
