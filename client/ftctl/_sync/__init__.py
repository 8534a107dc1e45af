# Generated from ftctl/_async by `make sync`; do not edit.
"""The client as it is written."""
