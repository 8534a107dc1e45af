"""What a job looks like: on a terminal, in a pipe, as JSON."""
