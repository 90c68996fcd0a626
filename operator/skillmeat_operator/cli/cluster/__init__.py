"""The cluster that a command talks to, and the objects in it."""
