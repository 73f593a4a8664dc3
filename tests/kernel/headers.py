"""Two gfp headers of our own, in the two spellings that kernels use: numbers, and an enum with BIT()."""

NUMBERS = """
#ifndef SAMPLE_H
#define SAMPLE_H
/* plain numbers; no bit is called twice */
#define ___GFP_DMA\t\t0x01u
#define ___GFP_HIGHMEM\t\t0x02u
#define ___GFP_MOVABLE\t\t0x08u
#define ___GFP_HIGH\t\t0x20u
#define ___GFP_IO\t\t0x40u
#define ___GFP_FS\t\t0x80u
#define ___GFP_ATOMIC\t\t0x200u
#define ___GFP_DIRECT_RECLAIM\t0x400u
#define ___GFP_KSWAPD_RECLAIM\t0x800u
#define ___GFP_NOWARN\t\t0x2000u
#define ___GFP_COMP\t\t0x40000u
#define ___GFP_HARDWALL\t\t0x100000u
#define ___GFP_ACCOUNT\t\t0x400000u
#ifdef CONFIG_SAMPLE
#define ___GFP_NOLOCKDEP\t0x8000000u
#else
#define ___GFP_NOLOCKDEP\t0
#endif
#define __GFP_DMA\t((__force gfp_t)___GFP_DMA)
#define __GFP_HIGHMEM\t((__force gfp_t)___GFP_HIGHMEM)
#define __GFP_MOVABLE\t((__force gfp_t)___GFP_MOVABLE)  /* says where */
#define __GFP_HIGH\t((__force gfp_t)___GFP_HIGH)
#define __GFP_IO\t((__force gfp_t)___GFP_IO)
#define __GFP_FS\t((__force gfp_t)___GFP_FS)
#define __GFP_ATOMIC\t((__force gfp_t)___GFP_ATOMIC)
#define __GFP_DIRECT_RECLAIM\t((__force gfp_t)___GFP_DIRECT_RECLAIM) /* a note */
#define __GFP_KSWAPD_RECLAIM\t((__force gfp_t)___GFP_KSWAPD_RECLAIM) // another
#define __GFP_RECLAIM ((__force gfp_t)(___GFP_DIRECT_RECLAIM|___GFP_KSWAPD_RECLAIM))
#define __GFP_NOWARN\t((__force gfp_t)___GFP_NOWARN)
#define __GFP_COMP\t((__force gfp_t)___GFP_COMP)
#define __GFP_HARDWALL\t((__force gfp_t)___GFP_HARDWALL)
#define __GFP_ACCOUNT\t((__force gfp_t)___GFP_ACCOUNT)
#define __GFP_NOLOCKDEP ((__force gfp_t)___GFP_NOLOCKDEP)
#define __GFP_BITS_SHIFT (27 + IS_ENABLED(CONFIG_SAMPLE))
#define __GFP_BITS_MASK ((__force gfp_t)((1 << __GFP_BITS_SHIFT) - 1))
#define GFP_ATOMIC\t(__GFP_HIGH|__GFP_ATOMIC|__GFP_KSWAPD_RECLAIM)
#define GFP_NOWAIT\t(__GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL\t(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT (GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_NOIO\t(__GFP_RECLAIM)
#define GFP_NOFS\t(__GFP_RECLAIM | __GFP_IO)
#define GFP_DMA\t\t__GFP_DMA
#define GFP_HIGHUSER\t(GFP_KERNEL | __GFP_HARDWALL | __GFP_HIGHMEM)
#define GFP_TRANSHUGE_LIGHT\t((GFP_HIGHUSER | __GFP_MOVABLE | \\
\t\t\t __GFP_COMP | __GFP_NOWARN) & ~__GFP_RECLAIM)
#define GFP_TRANSHUGE\t(GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM)
#endif
"""

ENUM = """
enum {
\t___GFP_HIGH_BIT,
\t___GFP_IO_BIT,
\t___GFP_FS_BIT,
\t___GFP_UNUSED_BIT,\t/* 0x200u unused */
\t___GFP_DIRECT_RECLAIM_BIT,
\t___GFP_KSWAPD_RECLAIM_BIT,
\t___GFP_NOWARN_BIT,
#ifdef CONFIG_SAMPLE
\t___GFP_NOLOCKDEP_BIT,
#endif
\t___GFP_LAST_BIT
};
#define ___GFP_HIGH\t\tBIT(___GFP_HIGH_BIT)
#define ___GFP_IO\t\tBIT(___GFP_IO_BIT)
#define ___GFP_FS\t\tBIT(___GFP_FS_BIT)
#define ___GFP_DIRECT_RECLAIM\tBIT(___GFP_DIRECT_RECLAIM_BIT)
#define ___GFP_KSWAPD_RECLAIM\tBIT(___GFP_KSWAPD_RECLAIM_BIT)
#define ___GFP_NOWARN\t\tBIT(___GFP_NOWARN_BIT)
#ifdef CONFIG_SAMPLE
#define ___GFP_NOLOCKDEP\tBIT(___GFP_NOLOCKDEP_BIT)
#else
#define ___GFP_NOLOCKDEP\t0
#endif
#define __GFP_HIGH\t((__force gfp_t)___GFP_HIGH)
#define __GFP_IO\t((__force gfp_t)___GFP_IO)
#define __GFP_FS\t((__force gfp_t)___GFP_FS)
#define __GFP_DIRECT_RECLAIM\t((__force gfp_t)___GFP_DIRECT_RECLAIM)
#define __GFP_KSWAPD_RECLAIM\t((__force gfp_t)___GFP_KSWAPD_RECLAIM)
#define __GFP_RECLAIM ((__force gfp_t)(___GFP_DIRECT_RECLAIM|___GFP_KSWAPD_RECLAIM))
#define __GFP_NOWARN\t((__force gfp_t)___GFP_NOWARN)
#define __GFP_NOLOCKDEP ((__force gfp_t)___GFP_NOLOCKDEP)
#define __GFP_BITS_SHIFT ___GFP_LAST_BIT
#define GFP_ATOMIC\t(__GFP_HIGH|__GFP_KSWAPD_RECLAIM)
#define GFP_NOWAIT\t(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_KERNEL\t(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
"""
