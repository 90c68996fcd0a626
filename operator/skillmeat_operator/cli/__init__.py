"""The command line, one file a command; `main` finds the command and loads its file alone."""
