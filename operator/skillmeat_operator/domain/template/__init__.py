"""A Template entity: its grammar and identity, what every one of them gets, and the document of all."""
