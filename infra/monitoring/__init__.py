"""What watches a running system: Prometheus' settings and alerts, Grafana's dashboards as code."""
