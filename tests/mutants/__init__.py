"""Mutants: small faults put into the operator on purpose, to see whether a test notices."""
