"""Verification: the lake against the topics and the source files, by readers that share no code with the services."""
