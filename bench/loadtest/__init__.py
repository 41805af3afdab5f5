"""The load test: send many commands, have real workers perform them, and say what became of each.

::

    a database of its own (databases.py):
        options ─► mix ─► sender ─► bus/bulk ─► queue ─► workers (manage.py runworker)
                                                             │ commandbus.audit
    the site's:                                              ▼
        page ◄── public.load_run, load_sample ◄── watch ◄── sampler      run.py conducts; summary.py counts at the end
"""
