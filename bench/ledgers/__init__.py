"""What a run knows without asking the bus: what its senders were told, and what its handlers did.

    sender ─► sends.log ─────────────┐
    worker ─► executions-*.ledger ───┴─► bench_send, bench_execution (read in once the run is over) ─► checks

Files, because they outlive a killed worker and a server that is away; each entry is made before what it tells of.
"""
