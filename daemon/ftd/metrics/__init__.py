"""What Prometheus may know of the daemon, and where it asks."""
