"""Settings of the operator: flags, environment variables and their grammar."""
