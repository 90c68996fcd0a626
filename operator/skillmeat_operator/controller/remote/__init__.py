"""Readings of remote sides, shared by all who need them, at the pace that the servers bear."""
