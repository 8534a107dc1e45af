"""What the two clients do differently beneath: `aio` for the one that is written, `blocking` for
its generated twin. Both modules have the same names."""
