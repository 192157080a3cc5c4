/* What all that is compiled has in common. Loops are left to the compiler, which makes them once for each kind of processor; built
   without contracted sums (setup.py), they give the same numbers on each. */

#ifndef RMFD_COMPILED_H
#define RMFD_COMPILED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__x86_64__) || !defined(__gnu_linux__) || defined(__clang__)
#define FOR_EVERY_CPU
#elif __GNUC__ < 12
#define FOR_EVERY_CPU __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#define INLINE static inline __attribute__((always_inline))

/* Of what the functions take; to be counted on whenever that changes, here and in compiled.py. */
#define RMFD_VERSION 4

INLINE float least(float a, float b) { return a < b ? a : b; }
INLINE float most(float a, float b) { return a > b ? a : b; }
INLINE float within(float x, float low, float high) { return least(most(x, low), high); }

#endif
