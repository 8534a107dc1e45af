"""The client as it is written."""
