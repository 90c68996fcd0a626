"""I/O towards the Kubernetes API."""
