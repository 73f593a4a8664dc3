"""gfplint: a static linter for kernel memory allocation, against the kernel's own Memory Allocation Guide."""

__version__ = "0.1.0"
