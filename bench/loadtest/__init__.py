"""The load test: send many commands, have real workers perform them, and say what became of each.

::

    options ─► mix ─► sender ─► commands.bulk ─► queue ─► workers (manage.py runworker)
                                                              │ commandbus.audit
    page ◄── public.load_run, load_sample ◄── record ◄── sampler ◄┘      run.py conducts; summary.py counts at the end
"""
