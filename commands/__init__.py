"""The demo: send test commands, perform them, show what came of them.

Packages in the order in which the data flows; imports go the other way::

    rules       what can be said without a framework: words, behaviors, payloads, expectations (pure)
    bus         what changes commands: sending, sending many, removing old history
    worker      performs them
    stats       counts that pages read
    pages       the pages and their live fragments

models, admin, checks, apps and urls stand where Django looks for them.
"""
