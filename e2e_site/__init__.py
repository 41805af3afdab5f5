"""Wiring of the site: settings, addresses, database, schema tools, look. Knows nothing about commands."""
