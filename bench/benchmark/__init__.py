"""What the bus can do on this machine: ``manage.py benchmark``.

plan ─► each case: backlog, drain, ceiling (testbed, pgbench) ─► results ─► verdicts on targets, tables, charts, docs
"""
