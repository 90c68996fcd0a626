"""HTTP endpoints of the operator: documents and probes."""
