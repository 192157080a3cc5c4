/* A convolution in 8-bit integers, and how to get a row of its results. */

#ifndef RMFD_CONVOLVE_H
#define RMFD_CONVOLVE_H

#include "compiled.h"

enum {
    UNIT = 16, /* Channels that come out are counted by so many. */
    QUAD = 4   /* Channels that go in together: an instruction adds up four products. */
};

/* Instructions for products of bytes. */
enum { AVX2 = 1, AVX_VNNI, AVX512_VNNI };

/* Weights are ordered by tap, four channels in, channel out, channel in, of as many channels out as whole units have. A sum begins with
   `start`, is multiplied by `scale`, and `bias` is added; what is below zero is cut off if it is `rectified`. Beside a picture,
   `zero` is seen. */
typedef struct {
    const int8_t *weights;
    const int32_t *start;
    const float *scale, *bias;
    int32_t quads, units, channels, side, stride, padding, dilation, rectified, zero, instructions;
} Conv;

/* What comes out of a convolution of side 1 for a row of places `x`, before it is rectified; behind the end of `out` there is room for
   a unit. */
void pointwise_row(const Conv *conv, const uint8_t *x, int32_t columns, float *out);

/* What a convolution of side 1 finds, which is not rectified: `all` of it; or, if that is NULL, what to find it by, row by row while
   it is near, with room for a row and a unit. Nothing if both are missing. */
typedef struct {
    const float *all;
    const Conv *conv;
    const uint8_t *seen;
    float *row;
} Maps;

/* A row of `columns` places of so many `channels`. */
INLINE const float *row_of_maps(Maps maps, int32_t row, int32_t columns, int32_t channels)
{
    if (maps.all) return maps.all + (ptrdiff_t)row * columns * channels;
    pointwise_row(maps.conv, maps.seen + (ptrdiff_t)row * columns * maps.conv->quads * QUAD, columns, maps.row);
    return maps.row;
}

#endif
