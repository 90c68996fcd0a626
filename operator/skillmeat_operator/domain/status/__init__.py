"""From an outcome to the status of both kinds: conditions, counts, problems."""
