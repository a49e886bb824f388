"""What Prometheus is told: one module a subject, whose instruments exist only in the processes that import it."""
