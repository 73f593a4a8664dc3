"""What is known of the kernel: masks, allocators, frees, contexts, by kernel version and by what a tree's headers
offer.
"""
