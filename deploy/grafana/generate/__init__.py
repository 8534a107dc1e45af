"""The dashboards as code; run as `python -m deploy.grafana.generate`."""
