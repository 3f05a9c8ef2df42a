"""The command line, the only place with exit codes."""
