"""The `tickerstream` command."""
