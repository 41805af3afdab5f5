"""Charts: numbers in, positions out; templates draw them. Pure.

geometry: line and bar charts; shapes: what they consist of; scales: axes and their ticks.
"""
