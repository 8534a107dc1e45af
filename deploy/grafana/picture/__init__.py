"""Draws a dashboard without Grafana; run as `python -m deploy.grafana.picture`."""
