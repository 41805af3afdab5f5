"""Wiring of the site: settings, addresses, database, schema tools, look. Knows nothing about commands."""

__version__ = "0.1.0"  # of the whole project
