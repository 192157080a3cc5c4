/* What `flow.py` does around the search, on luma of bytes: images from where a flow starts, what is left of a difference in the
   windows around pixels, and the choice between motions by it. tests/model/test_native.py holds the two together.

   `scratch` has room for what is said of each function, w wide and h high. */

#include "model/follow.h"

enum { RADIUS = 7, WINDOW = 2 * RADIUS + 1, MOST_ERROR = 60 };

/* The border that OpenCV takes if it is told nothing: the edge is a mirror, and in it once. */
INLINE int32_t mirrored(int32_t k, int32_t side)
{
    if (side == 1) return 0;
    while (k < 0 || k >= side) k = k < 0 ? -k : 2 * (side - 1) - k;
    return k;
}

/* Sums of windows around every pixel: of `image` to `sums`, which are counted together. `columns` and `wide` have room for a row
   and a window of sums. */
INLINE double window_sums(
    uint16_t *restrict sums, const uint8_t *restrict image, int32_t height, int32_t width, uint16_t *restrict columns,
    uint16_t *restrict wide)
{
    double all = 0;
    memset(columns, 0, width * sizeof *columns);
    for (int32_t k = -RADIUS; k <= RADIUS; k++) {
        const uint8_t *restrict row = image + (ptrdiff_t)mirrored(k, height) * width;
        for (ptrdiff_t x = 0; x < width; x++) columns[x] += row[x];
    }
    for (int32_t y = 0; y < height; y++) {
        uint16_t *restrict out = sums + (ptrdiff_t)y * width;
        memcpy(wide + RADIUS, columns, width * sizeof *columns);
        for (int32_t k = 1; k <= RADIUS; k++) {
            wide[RADIUS - k] = columns[mirrored(-k, width)];
            wide[RADIUS + width - 1 + k] = columns[mirrored(width - 1 + k, width)];
        }
        memset(out, 0, width * sizeof *out);
        for (int32_t k = 0; k < WINDOW; k++)
            for (ptrdiff_t x = 0; x < width; x++) out[x] += wide[x + k];
        uint32_t of_row = 0;
        for (ptrdiff_t x = 0; x < width; x++) of_row += out[x];
        all += of_row;
        const uint8_t *restrict enters = image + (ptrdiff_t)mirrored(y + RADIUS + 1, height) * width;
        const uint8_t *restrict leaves = image + (ptrdiff_t)mirrored(y - RADIUS, height) * width;
        for (ptrdiff_t x = 0; x < width; x++) columns[x] += enters[x] - leaves[x];
    }
    return all;
}

INLINE void difference_row(uint8_t *restrict out, const uint8_t *restrict one, const uint8_t *restrict other, int32_t count)
{
    for (ptrdiff_t x = 0; x < count; x++) {
        int32_t difference = one[x] > other[x] ? one[x] - other[x] : other[x] - one[x];
        out[x] = (uint8_t)(difference < MOST_ERROR ? difference : MOST_ERROR);
    }
}

INLINE float mean_of(uint16_t sum) { return sum * (1.0f / (WINDOW * WINDOW)); }

/* As OpenCV blends: `one` where `share` of a window is for it, in place of `pairs`; nothing if there is none. */
INLINE void blend_row(float *restrict pairs, const float *restrict one, const uint16_t *restrict share, int32_t count)
{
    for (ptrdiff_t x = 0; x < count; x++) {
        float for_it = mean_of(share[x]), against = 1.0f - for_it, all = for_it + against + 1e-5f;
        pairs[2 * x] = ((one ? one[2 * x] * for_it : 0.0f) + pairs[2 * x] * against) / all;
        pairs[2 * x + 1] = ((one ? one[2 * x + 1] * for_it : 0.0f) + pairs[2 * x + 1] * against) / all;
    }
}

/* Scratch: 4 w numbers. */
FOR_EVERY_CPU void rmfd_follow_bytes(
    const uint8_t *image, int32_t height, int32_t width, const float *flow, int32_t rows, int32_t columns, float *scratch,
    uint8_t *out)
{
    for (int32_t y = 0; y < rows; y++)
        follow_bytes_row(out + (ptrdiff_t)y * columns, image, height, width, flow + (ptrdiff_t)y * columns * 2, y, columns, scratch);
}

/* Scratch: 3 w numbers. */
FOR_EVERY_CPU void rmfd_follow_pairs(
    const float *image, int32_t height, int32_t width, const float *flow, int32_t rows, int32_t columns, float *scratch, float *out)
{
    float *restrict share_x = scratch, *restrict share_y = scratch + columns;
    int32_t *restrict places = (int32_t *)(scratch + 2 * columns);
    for (int32_t y = 0; y < rows; y++) {
        float *restrict line = out + (ptrdiff_t)y * columns * 2;
        places_row(places, share_x, share_y, height, width, width, flow + (ptrdiff_t)y * columns * 2, 1, y, columns);
        for (ptrdiff_t x = 0; x < columns; x++) {
            const float *above = image + 2 * (ptrdiff_t)places[x], *below = above + 2 * width;
            for (int k = 0; k < 2; k++) {
                float higher = between(above[k], above[2 + k], share_x[x]), lower = between(below[k], below[2 + k], share_x[x]);
                line[2 * x + k] = between(higher, lower, share_y[x]);
            }
        }
    }
}

/* Pairs of numbers, `factor` times as many in both directions, bilinear, each multiplied by `factor` and less a corner. Scratch:
   2 (w + 2) numbers. */
FOR_EVERY_CPU void rmfd_enlarge_pairs(
    const float *pairs, int32_t rows, int32_t columns, int32_t factor, float corner_x, float corner_y, float *scratch, float *out)
{
    float *restrict row = scratch;
    const int32_t wide = columns * factor;
    for (int32_t y = 0; y < rows * factor; y++) {
        float at = within((y + 0.5f) / factor - 0.5f, 0.0f, rows - 1);
        int32_t above = (int32_t)at, below = above < rows - 1 ? above + 1 : above;
        const float share = at - above;
        const float *restrict upper = pairs + (ptrdiff_t)above * columns * 2, *restrict lower = pairs + (ptrdiff_t)below * columns * 2;
        for (ptrdiff_t k = 0; k < columns; k++) {
            row[2 * k + 2] = between(upper[2 * k], lower[2 * k], share) * factor - corner_x;
            row[2 * k + 3] = between(upper[2 * k + 1], lower[2 * k + 1], share) * factor - corner_y;
        }
        memcpy(row, row + 2, 2 * sizeof(float));
        memcpy(row + 2 * columns + 2, row + 2 * columns, 2 * sizeof(float));
        float *restrict line = out + (ptrdiff_t)y * wide * 2;
        for (int32_t part = 0; part < factor; part++) {
            const float from_middle = (part + 0.5f) / factor - 0.5f, near = absolute(from_middle);
            const float *restrict beside = from_middle < 0 ? row : row + 4;
            for (ptrdiff_t k = 0; k < columns; k++) {
                line[(k * factor + part) * 2] = between(row[2 * k + 2], beside[2 * k], near);
                line[(k * factor + part) * 2 + 1] = between(row[2 * k + 3], beside[2 * k + 1], near);
            }
        }
    }
}

INLINE void affine_row(float *restrict pairs, const float *restrict affine, int32_t y, int32_t count)
{
    for (ptrdiff_t x = 0; x < count; x++) {
        pairs[2 * x] = affine[0] * (int32_t)x + affine[1] * y + affine[2];
        pairs[2 * x + 1] = affine[3] * (int32_t)x + affine[4] * y + affine[5];
    }
}

/* `flow` gives way to the motion of `affine`, two rows of three, and to rest, where these explain the two pictures. Scratch: 11 w h
   + 33 w + 64 bytes. */
FOR_EVERY_CPU void rmfd_steady(
    const uint8_t *current, const uint8_t *neighbour, int32_t height, int32_t width, const float *affine, float tolerance,
    float resting_tolerance, uint8_t *scratch, float *flow)
{
    const ptrdiff_t count = (ptrdiff_t)height * width;
    uint16_t *by_flow = (uint16_t *)scratch, *by_moving = by_flow + count, *by_rest = by_moving + count;
    uint16_t *shares = by_rest + count;
    uint8_t *restrict image = (uint8_t *)(shares + count), *restrict moved = image + count, *restrict still = moved + count;
    /* Three bytes to a pixel may end anywhere. */
    float *restrict moving = (float *)(scratch + 8 * count + ((3 * count + 63) & ~(ptrdiff_t)63)), *restrict rows = moving + 2 * width;
    uint16_t *restrict columns = (uint16_t *)rows, *restrict wide = columns + width;
    uint8_t *restrict row = (uint8_t *)(rows + 6 * width);
    for (int32_t y = 0; y < height; y++) {
        const ptrdiff_t line = (ptrdiff_t)y * width;
        follow_bytes_row(row, neighbour, height, width, flow + line * 2, y, width, rows);
        difference_row(image + line, current + line, row, width);
        affine_row(moving, affine, y, width);
        follow_bytes_row(row, neighbour, height, width, moving, y, width, rows);
        difference_row(moved + line, current + line, row, width);
        difference_row(still + line, current + line, neighbour + line, width);
    }
    window_sums(by_flow, image, height, width, columns, wide);
    const double left_by_moving = window_sums(by_moving, moved, height, width, columns, wide);
    const double left_by_rest = window_sums(by_rest, still, height, width, columns, wide);
    const int rests = left_by_rest <= left_by_moving;
    for (ptrdiff_t k = 0; k < count; k++) {
        float error = mean_of(by_flow[k]), error_moving = mean_of(by_moving[k]), error_still = mean_of(by_rest[k]);
        moved[k] = error_moving <= error + tolerance;
        still[k] = rests ? error_still <= error * (1 + resting_tolerance) + tolerance
                         : error_still < least(error, error_moving) - tolerance;
    }
    if (!rests) {
        window_sums(shares, moved, height, width, columns, wide);
        for (int32_t y = 0; y < height; y++) {
            affine_row(moving, affine, y, width);
            blend_row(flow + (ptrdiff_t)y * width * 2, moving, shares + (ptrdiff_t)y * width, width);
        }
    }
    window_sums(shares, still, height, width, columns, wide);
    for (int32_t y = 0; y < height; y++) blend_row(flow + (ptrdiff_t)y * width * 2, NULL, shares + (ptrdiff_t)y * width, width);
}

/* The darker of two pictures, where they are as alike as they are on average times `alike` and where flow is shorter than `slow`.
   Scratch: 3 w h + 4 w + 28 bytes. */
FOR_EVERY_CPU void rmfd_darker(
    const uint8_t *luma, const uint8_t *before, const float *flow, int32_t height, int32_t width, float alike, float slow,
    uint8_t *scratch, uint8_t *out)
{
    const ptrdiff_t count = (ptrdiff_t)height * width;
    uint16_t *restrict sums = (uint16_t *)scratch, *restrict columns = sums + count, *restrict wide = columns + width;
    uint8_t *restrict differences = (uint8_t *)(wide + width + 2 * RADIUS);
    for (int32_t y = 0; y < height; y++)
        difference_row(differences + (ptrdiff_t)y * width, luma + (ptrdiff_t)y * width, before + (ptrdiff_t)y * width, width);
    const double most_of_all = window_sums(sums, differences, height, width, columns, wide) / count * alike;
    const float limit = (float)most_of_all;
    for (ptrdiff_t k = 0; k < count; k++) {
        int chosen = sums[k] <= limit && absolute(flow[2 * k]) <= slow && absolute(flow[2 * k + 1]) <= slow;
        out[k] = chosen && before[k] < luma[k] ? before[k] : luma[k];
    }
}
