"""Proof: how fast the bus is, and what it does under load."""
