"""From observations to a plan: what is published, and a verdict for every entity and bundle."""
