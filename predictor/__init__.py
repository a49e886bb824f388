"""Models and newest feature rows -> HTTP, stream and page."""
