"""One visit of an object: gather, decide, act, summarise."""
