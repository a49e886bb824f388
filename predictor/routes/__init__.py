"""The HTTP routes, one module a subject; each takes what it needs from the desk."""
