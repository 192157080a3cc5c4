/* Where a flow leads to, for a row at a time. */

#ifndef RMFD_FOLLOW_H
#define RMFD_FOLLOW_H

#include "compiled.h"

INLINE float absolute(float x) { return x < 0 ? -x : x; }
INLINE float between(float a, float b, float share) { return a + (b - a) * share; }

/* Where a row of an image would be looked up from where a flow starts, bilinear, its edge repeated: the upper left one of four
   numbers, and how near the others are. `flow` is that of the row; `every` is how many pixels of the flow one of the image has. */
INLINE void places_row(
    int32_t *restrict places, float *restrict share_x, float *restrict share_y, int32_t height, int32_t width, int32_t stride,
    const float *restrict flow, int32_t every, int32_t y, int32_t count)
{
    const float right = width - 1, bottom = height - 1, scale = 1.0f / every;
    const int32_t last_x = width - 2, last_y = height - 2;
    for (ptrdiff_t x = 0; x < count; x++) {
        /* In this order, so that what is no number is 0. */
        float at_x = least(most((int32_t)x + flow[2 * every * x] * scale, 0.0f), right);
        float at_y = least(most(y + flow[2 * every * x + 1] * scale, 0.0f), bottom);
        int32_t left = (int32_t)at_x, top = (int32_t)at_y;
        left = left < last_x ? left : last_x;
        top = top < last_y ? top : last_y;
        share_x[x] = at_x - left;
        share_y[x] = at_y - top;
        places[x] = top * stride + left;
    }
}

/* A row of an image of bytes; `flow` is that of the row. `scratch` has room for four rows. */
INLINE void follow_bytes_row(
    uint8_t *restrict out, const uint8_t *restrict image, int32_t height, int32_t width, const float *restrict flow, int32_t y,
    int32_t count, float *restrict scratch)
{
    float *restrict share_x = scratch, *restrict share_y = scratch + count;
    int32_t *restrict places = (int32_t *)(scratch + 2 * count);
    uint8_t *restrict above = (uint8_t *)(scratch + 3 * count), *restrict below = above + 2 * count;
    places_row(places, share_x, share_y, height, width, width, flow, 1, y, count);
    for (ptrdiff_t x = 0; x < count; x++) {
        memcpy(above + 2 * x, image + places[x], 2);
        memcpy(below + 2 * x, image + places[x] + width, 2);
    }
    for (ptrdiff_t x = 0; x < count; x++) {
        float higher = between(above[2 * x], above[2 * x + 1], share_x[x]);
        float lower = between(below[2 * x], below[2 * x + 1], share_x[x]);
        out[x] = (uint8_t)(int32_t)__builtin_rintf(between(higher, lower, share_y[x]));
    }
}

#endif
