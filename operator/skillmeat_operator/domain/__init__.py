"""Decisions of the operator: pure functions and values, no I/O and no clock."""
