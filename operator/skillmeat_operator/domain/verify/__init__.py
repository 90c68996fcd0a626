"""Whether the catalog shows what is published, and why something is missing."""
