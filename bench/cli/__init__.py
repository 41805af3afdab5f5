"""``manage.py bench``: one module for each of its words, with ``HELP``, ``add_arguments`` and ``handle``.

``handle(options, out)`` answers the exit code: 0 as promised (PASS), 1 not (FAIL), 2 it could not be called or could
not work, 3 UNKNOWN; it raises `SiteError` for what a person has to mend first.
"""
