"""The load test: send many commands, have real workers perform them, and say what became of each.

::

    options ─► mix ─► sender ─► commands.bus.bulk ─► queue ─► workers (manage.py runworker)    in a database of its own
                                                                  │ commandbus.audit           (workplace.py)
    page ◄── public.load_run, load_sample ◄── run lock, watch ◄── sampler ◄┘                   in the site's database

run.py conducts; summary.py counts at the end.
"""
