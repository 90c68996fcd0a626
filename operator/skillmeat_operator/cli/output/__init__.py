"""Where text goes: console, tables, the log."""
