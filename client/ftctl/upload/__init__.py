"""What is pushed: the files of a folder or an archive, their digests and their content."""
