"""The reference allocator simulator: executes the semantics that the kernel tables state, and is the judge of rules."""
