"""What the library's worker is known to do otherwise, seen again in real runs: present, fixed, or not exercised.

Bed (own database, a real worker) ─► probes, one for each deviation ─► findings ─► docs/scorecard.md
"""
