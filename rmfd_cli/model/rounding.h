/* How numbers become bytes for a convolution. */

#ifndef RMFD_ROUNDING_H
#define RMFD_ROUNDING_H

#include "model/follow.h"

/* As `Int8Conv.rounded`: what is below the range comes out as far above its lower end. */
INLINE uint8_t rounded(float x, float per_step, float zero)
{
    float steps = __builtin_rintf(absolute(x * per_step + zero));
    return (uint8_t)(int32_t)(steps < 255.0f ? steps : 255.0f);
}

INLINE void round_row(uint8_t *restrict out, const float *restrict x, int32_t count, float per_step, float zero)
{
    for (ptrdiff_t k = 0; k < count; k++) out[k] = rounded(x[k], per_step, zero);
}

#endif
