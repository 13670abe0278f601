"""Tornado: the sessions of clients, the REST and one page, all on the event loop."""
