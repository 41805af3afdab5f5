"""The embedded PostgreSQL: the database where DATABASE_URL is unset.

cluster: start, stop, remember; home: where it lives and as whom it runs; process: its processes and its port;
state: what it has to remember; backend: Django's way to it, which starts it.
"""
