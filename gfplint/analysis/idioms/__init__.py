"""Idioms: what the code of one function looks like, read from its operation tree without following its flow."""
