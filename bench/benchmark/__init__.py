"""What the bus can do on this machine: ``manage.py benchmark``.

Modules, from the pure ones outwards::

    figures     medians, spreads, percentiles, slopes (pure)
    results     what was measured, as JSON
    scenario    what a scenario is, and the table of all of them; scenarios/: one module a subject
    database    the database of a run: made, emptied, dropped
    stage       what every scenario needs: a backlog, a drain by the server's clock
    processes   workers and other programs as subprocesses
    pgbench     the ceiling: the same statements without Python
    machine     processors, disk and durability, said beside every figure
    progress    how far it is
    sender, counted_worker, library_programs   programs that are measured from outside
    targets     the figures to reach, and the verdict on each (pure)
    report      docs/performance.md and its charts
"""
