"""Measure each path of the runtime beside its rival, in one run: `python -m benchmarks`.

Absolute times belong to a machine and a moment; a ratio travels. So every row runs both sides in
turns, in rounds too short for the machine to change in between, and tells the median of the ratios.
What the rows mean, and what one run gave, stands in docs/performance.md.
"""
