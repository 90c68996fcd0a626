"""The catalog is brought in step with what is served, and verified; what is missing gets a reason."""
