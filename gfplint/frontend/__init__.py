"""bytes -> facts: blank, slice, and, on demand, prepare, parse and lower one body."""
