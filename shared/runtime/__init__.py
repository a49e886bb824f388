"""The run loop: how every service starts, works, commits, stops and says how it is."""
