"""The two custom resources as their users write and read them: spec, status, conditions and reasons."""
