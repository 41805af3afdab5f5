"""Scenarios as pytest tests: ``*.bench.yaml`` files are collected, fixtures give a database, workers and the bench."""
