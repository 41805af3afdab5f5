"""Performing commands: ``manage.py runworker``.

::

    process ─► listener (notifications, lock)   engine_native or engine_library ─► attempts ─► handlers
            └► state (settings, row, counts) ◄───────┘ finisher, heartbeat, lookback

fleet: several of these processes under one supervisor.
"""
