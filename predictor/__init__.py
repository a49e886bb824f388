"""Models in, answers out: HTTP, a stream of events, and the page. The only service that speaks HTTP."""
