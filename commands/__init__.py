"""The demo: send test commands, perform them, show what came of them.

Modules in the order in which the data flows::

    statuses    words: statuses and event types
    behaviors   what a test command must do (pure)
    payload     what a payload may be (pure)
    fields      JSON columns and form fields that check both
    forms       what a person may type
    bus         sending, in one transaction with the test_command row; bulk: sending many
    worker      one worker process (worker_state: what its parts share; worker_listener: notifications);
                worker_processes: several of them
    engine_set  takes messages and performs them (mark: how far it looks back; heartbeat: keeps leases of long work);
                engine_library: the library's Worker, to compare
    finisher    writes outcomes, many in one call
    attempts    one attempt, from the message that began it to the outcome that ends it
    handlers    what performs it
    models      unmanaged models over Flyway's tables
    queries     named SQL for the pages
    views       pages and their live fragments
    admin       the same tables in the admin, every list bounded
    prune       removing finished history
"""
