"""What is published: stored in the cluster first, then served."""
