"""Figures on the real parts, each beside its budget and beside a bare limit measured in the same run."""
