/* What is done to every pixel of a frame, as few passes over memory as there can be: `passes.py` on a CPU, for one frame
   in float32. `native.py` calls it; tests/model/test_native.py holds the two together.

   Pictures are planes, H rows of W numbers, H and W multiples of 8; chroma has two of half the sides. Of what a flow leads to,
   and of what is cut from a larger picture, rows may lie further apart: `stride` is in numbers. Nothing here allocates: `scratch`
   has room for ten rows of numbers, unless it is said otherwise. */

#include "model/convolve.h"
#include "model/rounding.h"

enum { CELL = 8, BLOCK = 4, HALF = 2, LUMA = BLOCK * BLOCK, CHROMA = 2 * HALF * HALF };

typedef struct {
    const float *first;
    ptrdiff_t stride, plane;
    int32_t height, width;
} Plane;

/* To 1e-7 of its value; the polynomial, for |r| <= log(2) / 2, and log(2) in two parts are those of expf in Cephes (Moshier). */
INLINE float exponential(float x)
{
    x = within(x, -87.0f, 87.0f);
    float n = __builtin_rintf(x * 1.44269504f);
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float e = 1.9875691500e-4f;
    e = e * r + 1.3981999507e-3f;
    e = e * r + 8.3334519073e-3f;
    e = e * r + 4.1665795894e-2f;
    e = e * r + 1.6666665459e-1f;
    e = e * r + 5.0000001201e-1f;
    e = e * r * r + r + 1.0f;
    union {
        int32_t bits;
        float number;
    } power = {((int32_t)n + 127) << 23};
    return e * power.number;
}

INLINE void sigmoid_row(float *restrict x, int32_t count)
{
    for (ptrdiff_t k = 0; k < count; k++) x[k] = 1.0f / (1.0f + exponential(-x[k]));
}

/* A row of an image as it would look from where a flow starts. Numbers are fetched one by one, in pairs: gather instructions take
   longer. `scratch` has room for seven rows. */
INLINE void follow_row(
    float *restrict out, Plane image, const float *restrict flow, int32_t every, int32_t y, int32_t count, float *restrict scratch)
{
    const int32_t stride = (int32_t)image.stride;
    float *restrict share_x = scratch, *restrict share_y = scratch + count;
    float *restrict above = scratch + 2 * count, *restrict below = scratch + 4 * count;
    int32_t *restrict places = (int32_t *)(scratch + 6 * count);
    flow += ((ptrdiff_t)(y * every + every / 2) * count * every + every / 2) * 2;
    places_row(places, share_x, share_y, image.height, image.width, stride, flow, every, y, count);
    for (ptrdiff_t x = 0; x < count; x++) {
        memcpy(above + 2 * x, image.first + places[x], 2 * sizeof(float));
        memcpy(below + 2 * x, image.first + places[x] + stride, 2 * sizeof(float));
    }
    for (ptrdiff_t x = 0; x < count; x++) {
        float higher = between(above[2 * x], above[2 * x + 1], share_x[x]);
        float lower = between(below[2 * x], below[2 * x + 1], share_x[x]);
        out[x] = between(higher, lower, share_y[x]);
    }
}

INLINE Plane second(Plane image)
{
    image.first += image.plane;
    return image;
}

/* A row of cells, each of `factor` pixels, enlarged bilinearly; `row` has room for `columns + 2`. */
INLINE void enlarge_row(
    float *restrict out, float *restrict row, const float *restrict cells, int32_t rows, int32_t columns, int32_t factor, int32_t y)
{
    float at = within((y + 0.5f) / factor - 0.5f, 0.0f, rows - 1);
    int32_t above = (int32_t)at, below = above < rows - 1 ? above + 1 : above;
    float share = at - above;
    for (ptrdiff_t k = 0; k < columns; k++) row[k + 1] = between(cells[above * columns + k], cells[below * columns + k], share);
    row[0] = row[1];
    row[columns + 1] = row[columns];
    for (ptrdiff_t cell = 0; cell < columns; cell++)
        for (ptrdiff_t k = 0; k < factor; k++) {
            float from_middle = ((int32_t)k + 0.5f) / factor - 0.5f;
            float beside = from_middle < 0 ? row[cell] : row[cell + 2];
            out[cell * factor + k] = between(row[cell + 1], beside, absolute(from_middle));
        }
}

/* A row of pixels into its places in blocks of `side` pixels, which lie `apart` numbers from each other. */
INLINE void put_row(uint8_t *restrict blocks, const uint8_t *restrict row, int32_t count, int32_t side, int32_t apart)
{
    for (ptrdiff_t k = 0; k < count; k++) memcpy(blocks + k * apart, row + k * side, side);
}

INLINE void take_row(float *restrict row, const float *restrict blocks, int32_t count, int32_t side, int32_t apart)
{
    for (ptrdiff_t k = 0; k < count; k++) memcpy(row + k * side, blocks + k * apart, side * sizeof(float));
}

/* Adds a row of numbers to the sums of its cells. */
INLINE void add_to_cells(float *restrict sums, const float *restrict row, int32_t columns)
{
    for (ptrdiff_t cell = 0; cell < columns; cell++) {
        float sum = 0;
        for (ptrdiff_t k = 0; k < CELL; k++) sum += row[cell * CELL + k];
        sums[cell] += sum;
    }
}

/* Where in a cell every other row lies. */
INLINE int is_counted(int32_t y) { return y % 2 == 0; }

FOR_EVERY_CPU void rmfd_register(
    const float *frame, const float *frame_chroma, int32_t height, int32_t width, Plane before, Plane after, Plane after_chroma,
    const float *to_previous, const float *to_following, float per_step, float zero, float most_difference, float *scratch,
    float *previous, float *following, float *following_chroma, uint8_t *evidence, float *difference)
{
    enum { CHANNELS = 4 * LUMA + CHROMA };
    const int32_t columns = width / CELL, wide = width / BLOCK, half = width / HALF;
    const uint8_t nothing = rounded(0.0f, per_step, zero);
    float *restrict differences = scratch, *restrict fetched = scratch + width;
    uint8_t *restrict small = (uint8_t *)(scratch + 8 * width);
    uint8_t *restrict of_frame = small, *restrict of_median = small + width, *restrict of_previous = small + 2 * width,
            *restrict of_following = small + 3 * width;
    memset(difference, 0, sizeof(float) * columns * (height / CELL));
    for (int32_t y = 0; y < height; y++) {
        const float *restrict here = frame + (ptrdiff_t)y * width;
        float *restrict p = previous + (ptrdiff_t)y * width, *restrict f = following + (ptrdiff_t)y * width;
        follow_row(p, before, to_previous, 1, y, width, fetched);
        follow_row(f, after, to_following, 1, y, width, fetched);
        for (ptrdiff_t x = 0; x < width; x++) {
            p[x] -= here[x];
            f[x] -= here[x];
        }
        round_row(of_frame, here, width, per_step, zero);
        round_row(of_previous, p, width, per_step, zero);
        round_row(of_following, f, width, per_step, zero);
        for (ptrdiff_t x = 0; x < width; x++) {
            const uint8_t one = of_previous[x], other = of_following[x];
            uint8_t low = one < other ? one : other, high = one < other ? other : one;
            high = high < nothing ? high : nothing;
            of_median[x] = low > high ? low : high;
        }
        uint8_t *blocks = evidence + (ptrdiff_t)(y / BLOCK) * wide * CHANNELS + y % BLOCK * BLOCK;
        put_row(blocks, of_frame, wide, BLOCK, CHANNELS);
        put_row(blocks + LUMA, of_median, wide, BLOCK, CHANNELS);
        put_row(blocks + 2 * LUMA, of_previous, wide, BLOCK, CHANNELS);
        put_row(blocks + 3 * LUMA, of_following, wide, BLOCK, CHANNELS);
        if (is_counted(y)) {
            for (ptrdiff_t x = 0; x < width; x++) differences[x] = least(absolute(p[x] - f[x]), most_difference);
            add_to_cells(difference + (ptrdiff_t)(y / CELL) * columns, differences, columns);
        }
    }
    for (ptrdiff_t k = 0; k < columns * (height / CELL); k++) difference[k] *= 1.0f / (CELL / 2 * CELL);
    for (int32_t colour = 0; colour < 2; colour++)
        for (int32_t y = 0; y < height / HALF; y++) {
            const ptrdiff_t row = (ptrdiff_t)(colour * (height / HALF) + y) * half;
            float *restrict f = following_chroma + row;
            const float *restrict here = frame_chroma + row;
            follow_row(f, colour ? second(after_chroma) : after_chroma, to_following, HALF, y, half, fetched);
            for (ptrdiff_t x = 0; x < half; x++) f[x] -= here[x];
            round_row(small, here, half, per_step, zero);
            uint8_t *blocks = evidence + (ptrdiff_t)(y / HALF) * wide * CHANNELS + 4 * LUMA;
            put_row(blocks + colour * HALF * HALF + y % HALF * HALF, small, wide, HALF, CHANNELS);
        }
}

/* R, G and B less luma are Cr times `red`, Cb and Cr times `green_b` and `green_r`, and Cb times `blue`. */
FOR_EVERY_CPU void rmfd_cells(
    const float *luma, const float *chroma, int32_t height, int32_t width, float red, float green_b, float green_r,
    float blue, float *scratch, float *cells)
{
    const int32_t rows = height / CELL, columns = width / CELL, half = width / HALF;
    float *restrict dark = scratch;
    for (int32_t row = 0; row < rows; row++) {
        for (ptrdiff_t x = 0; x < half; x++) dark[x] = 1e30f;
        for (int32_t y = row * CELL / HALF; y < (row + 1) * CELL / HALF; y++) {
            const float *restrict upper = luma + (ptrdiff_t)y * HALF * width, *restrict lower = upper + width;
            const float *restrict b = chroma + (ptrdiff_t)y * half, *restrict r = b + (ptrdiff_t)height / HALF * half;
            for (ptrdiff_t x = 0; x < half; x++) {
                float least_luma = least(least(upper[2 * x], upper[2 * x + 1]), least(lower[2 * x], lower[2 * x + 1]));
                float least_colour = least(least(r[x] * red, b[x] * blue), b[x] * green_b + r[x] * green_r);
                dark[x] = least(dark[x], least_luma + least_colour);
            }
        }
        for (ptrdiff_t cell = 0; cell < columns; cell++) {
            const float *of = dark + cell * CELL / HALF;
            const ptrdiff_t here = (ptrdiff_t)row * columns + cell, all = (ptrdiff_t)rows * columns;
            const ptrdiff_t colour = (ptrdiff_t)(row * CELL / HALF + CELL / HALF / 2) * half + cell * CELL / HALF + CELL / HALF / 2;
            float y = luma[(ptrdiff_t)(row * CELL + CELL / 2) * width + cell * CELL + CELL / 2];
            float b = chroma[colour], r = chroma[colour + (ptrdiff_t)height / HALF * half];
            cells[here] = least(least(of[0], of[1]), least(of[2], of[3]));
            cells[all + here] = y + r * red;
            cells[2 * all + here] = y + (b * green_b + r * green_r);
            cells[3 * all + here] = y + b * blue;
        }
    }
}

FOR_EVERY_CPU void rmfd_recall(
    Plane hazy, Plane hazy_chroma, const float *backwards, const float *frame, const float *frame_chroma, int32_t height,
    int32_t width, const float *previous, const float *following, const float *following_chroma, float margin, float brighter,
    float per_step, float zero, float *scratch, float *last, float *last_chroma, uint8_t *blocks, float *difference)
{
    const int32_t columns = width / CELL, wide = width / BLOCK, half = width / HALF;
    float *restrict differences = scratch, *restrict fetched = scratch + width;
    uint8_t *restrict small = (uint8_t *)(scratch + 8 * width);
    memset(difference, 0, sizeof(float) * columns * (height / CELL));
    for (int32_t y = 0; y < height; y++) {
        const ptrdiff_t row = (ptrdiff_t)y * width;
        const float *restrict here = frame + row, *restrict p = previous + row, *restrict f = following + row;
        float *restrict out = last + row;
        follow_row(out, hazy, backwards, 1, y, width, fetched);
        for (ptrdiff_t x = 0; x < width; x++) {
            float low = least(least(p[x], f[x]), 0.0f) - margin, high = most(most(p[x], f[x]), 0.0f) + margin;
            out[x] = within(out[x] - here[x], low, high);
        }
        round_row(small, out, width, per_step, zero);
        put_row(blocks + ((ptrdiff_t)(y / BLOCK) * wide * BLOCK + y % BLOCK) * BLOCK, small, wide, BLOCK, LUMA);
        if (is_counted(y)) {
            for (ptrdiff_t x = 0; x < width; x++) {
                float more = out[x] - f[x];
                differences[x] = more > 0 ? more : -brighter * more;
            }
            add_to_cells(difference + (ptrdiff_t)(y / CELL) * columns, differences, columns);
        }
    }
    for (ptrdiff_t k = 0; k < columns * (height / CELL); k++) difference[k] *= 1.0f / (CELL / 2 * CELL);
    for (int32_t colour = 0; colour < 2; colour++)
        for (int32_t y = 0; y < height / HALF; y++) {
            const ptrdiff_t row = (ptrdiff_t)(colour * (height / HALF) + y) * half;
            const float *restrict here = frame_chroma + row, *restrict f = following_chroma + row;
            float *restrict out = last_chroma + row;
            follow_row(out, colour ? second(hazy_chroma) : hazy_chroma, backwards, HALF, y, half, fetched);
            for (ptrdiff_t x = 0; x < half; x++)
                out[x] = within(out[x] - here[x], least(f[x], 0.0f) - margin, most(f[x], 0.0f) + margin);
        }
}

INLINE void settle_row(
    float *restrict departure, const float *restrict last, const float *restrict following, const float *restrict weight,
    const float *restrict share, int32_t count)
{
    for (ptrdiff_t x = 0; x < count; x++) {
        float median = within(departure[x], least(last[x], following[x]), most(last[x], following[x]));
        departure[x] = between(departure[x], between(median, last[x], share[x]), weight[x]);
    }
}

/* `WITNESSES` in passes.py. */
enum { WITNESSES = 6 };

/* What each witness says of a covered pixel, for each of a row of blocks: of all, and as far as the block trusts it. */
INLINE void trust_row(
    float *restrict trust, const float *witnesses, const float *blocks, float gain, int32_t wide, int32_t channels)
{
    for (ptrdiff_t k = 0; k < WITNESSES; k++)
        for (ptrdiff_t block = 0; block < wide; block++)
            for (ptrdiff_t x = 0; x < BLOCK; x++)
                trust[(k * wide + block) * BLOCK + x] = witnesses[k] + gain * blocks[block * channels + k];
}

/* What witnesses of a row of pixels say of each. */
INLINE void hear_row(
    float *restrict preference, float *restrict covered, const float *restrict previous, const float *restrict following,
    const float *restrict memory, const float *witnesses, const float *restrict trust, int32_t count)
{
    float weights[WITNESSES];
    for (ptrdiff_t k = 0; k < WITNESSES; k++) weights[k] = witnesses[k];
    for (ptrdiff_t x = 0; x < count; x++) {
        const float darker = least(previous[x], following[x]), brighter = most(previous[x], following[x]);
        const float shown[WITNESSES] = {
            most(darker, least(brighter, 0.0f)), previous[x], following[x], memory[x], most(brighter, memory[x]),
            least(darker, memory[x]),
        };
        for (ptrdiff_t k = 0; k < WITNESSES; k++) preference[x] += weights[k] * shown[k];
        for (ptrdiff_t k = 0; k < WITNESSES; k++) covered[x] += trust[k * count + x] * shown[k];
    }
}

/* `settling` may be missing. */
FOR_EVERY_CPU void rmfd_take_off(
    Maps maps, int32_t height, int32_t width, const float *witnesses, float trust_gain, const float *previous, const float *last,
    const float *last_chroma, const float *following, const float *following_chroma, const float *frame,
    const float *frame_chroma, const float *settling, const float *sparing, float *scratch, float *hazy, float *hazy_chroma,
    float *taken)
{
    enum { CHANNELS = 3 * LUMA + CHROMA + WITNESSES };
    const int32_t rows = height / CELL, columns = width / CELL, wide = width / BLOCK, half = width / HALF;
    float *restrict preference = scratch, *restrict covered = scratch + width, *restrict glow = scratch + 2 * width;
    float *restrict weight = scratch + 3 * width, *restrict share_of_last = scratch + 4 * width, *restrict share = scratch + 5 * width;
    /* Of two rows of pixels, sums by two. */
    float *restrict half_share = scratch + 6 * width, *restrict half_rest = half_share + half;
    float *restrict trust = scratch + 7 * width, *restrict row_of_cells = trust + WITNESSES * width;
    const float *cells_share = settling ? settling + (ptrdiff_t)rows * columns : NULL, *blocks = NULL;
    for (int32_t y = 0; y < height; y++) {
        const ptrdiff_t row = (ptrdiff_t)y * width;
        if (y % BLOCK == 0) {
            blocks = row_of_maps(maps, y / BLOCK, wide, CHANNELS);
            trust_row(trust, witnesses + WITNESSES, blocks + 3 * LUMA + CHROMA, trust_gain, wide, CHANNELS);
        }
        const float *restrict memory = last + row, *restrict next = following + row, *restrict here = frame + row;
        float *restrict out = hazy + row;
        take_row(preference, blocks + y % BLOCK * BLOCK, wide, BLOCK, CHANNELS);
        take_row(covered, blocks + LUMA + y % BLOCK * BLOCK, wide, BLOCK, CHANNELS);
        take_row(glow, blocks + 2 * LUMA + y % BLOCK * BLOCK, wide, BLOCK, CHANNELS);
        hear_row(preference, covered, previous + row, next, memory, witnesses, trust, width);
        sigmoid_row(preference, width);
        sigmoid_row(covered, width);
        for (ptrdiff_t x = 0; x < width; x++) {
            /* The softmax of two. */
            preference[x] *= covered[x];
            covered[x] -= preference[x];
            out[x] = preference[x] * next[x] - glow[x] + covered[x] * memory[x];
        }
        if (settling) {
            enlarge_row(weight, row_of_cells, settling, rows, columns, CELL, y);
            enlarge_row(share_of_last, row_of_cells, cells_share, rows, columns, CELL, y);
            settle_row(out, memory, next, weight, share_of_last, width);
        }
        if (y % CELL == CELL / 2)
            for (ptrdiff_t cell = 0; cell < columns; cell++)
                taken[(ptrdiff_t)(y / CELL) * columns + cell] = -out[cell * CELL + CELL / 2];
        enlarge_row(share, row_of_cells, sparing, rows, columns, CELL, y);
        for (ptrdiff_t x = 0; x < width; x++) out[x] = here[x] + share[x] * out[x];
        if (y % HALF == 0) {
            for (ptrdiff_t x = 0; x < half; x++) {
                half_share[x] = preference[2 * x] + preference[2 * x + 1];
                half_rest[x] = covered[2 * x] + covered[2 * x + 1];
            }
            continue;
        }
        for (ptrdiff_t x = 0; x < half; x++) {
            half_share[x] = 0.25f * (half_share[x] + preference[2 * x] + preference[2 * x + 1]);
            half_rest[x] = 0.25f * (half_rest[x] + covered[2 * x] + covered[2 * x + 1]);
        }
        const int32_t line = y / HALF;
        if (settling) {
            enlarge_row(weight, row_of_cells, settling, rows, columns, CELL / HALF, line);
            enlarge_row(share_of_last, row_of_cells, cells_share, rows, columns, CELL / HALF, line);
        }
        enlarge_row(share, row_of_cells, sparing, rows, columns, CELL / HALF, line);
        for (int32_t colour = 0; colour < 2; colour++) {
            const ptrdiff_t begin = (ptrdiff_t)(colour * (height / HALF) + line) * half;
            const float *restrict before = last_chroma + begin, *restrict after = following_chroma + begin;
            const float *restrict now = frame_chroma + begin;
            float *restrict tint = hazy_chroma + begin;
            take_row(glow, blocks + 3 * LUMA + colour * HALF * HALF + line % HALF * HALF, wide, HALF, CHANNELS);
            for (ptrdiff_t x = 0; x < half; x++) tint[x] = half_share[x] * after[x] - glow[x] + half_rest[x] * before[x];
            if (settling) settle_row(tint, before, after, weight, share_of_last, half);
            for (ptrdiff_t x = 0; x < half; x++) tint[x] = now[x] + share[x] * tint[x];
        }
    }
}

/* Blocks of a picture, luma and both colours. */
enum { PICTURE = LUMA + CHROMA };

/* One plane of a picture, of which a cell has `cell` pixels on a side and a block `side`; `blocks` begin with the plane's own. */
INLINE void lift_plane(
    Plane hazy, const float *factors, const float *offsets, int32_t cell, int32_t side, float per_step, float zero,
    float *restrict scratch, float *restrict coarse, uint8_t *blocks)
{
    const int32_t width = hazy.width, rows = hazy.height / cell, columns = width / cell, wide = width / side;
    float *restrict factor = scratch, *restrict offset = scratch + width, *restrict row_of_cells = scratch + 2 * width;
    uint8_t *restrict small = (uint8_t *)(scratch + 4 * width);
    for (int32_t y = 0; y < hazy.height; y++) {
        const float *restrict here = hazy.first + y * hazy.stride;
        float *restrict out = coarse + (ptrdiff_t)y * width;
        enlarge_row(factor, row_of_cells, factors, rows, columns, cell, y);
        enlarge_row(offset, row_of_cells, offsets, rows, columns, cell, y);
        for (ptrdiff_t x = 0; x < width; x++) out[x] = here[x] * factor[x] + offset[x];
        round_row(small, out, width, per_step, zero);
        put_row(blocks + (ptrdiff_t)(y / side) * wide * PICTURE + y % side * side, small, wide, side, PICTURE);
    }
}

/* `lift` has four maps of cells: a factor, and what is added to luma, Cb and Cr. */
FOR_EVERY_CPU void rmfd_lift(
    Plane hazy, Plane hazy_chroma, const float *lift, float per_step, float zero, float *scratch, float *coarse,
    float *coarse_chroma, uint8_t *blocks)
{
    const ptrdiff_t cells = (ptrdiff_t)(hazy.height / CELL) * (hazy.width / CELL);
    lift_plane(hazy, lift, lift + cells, CELL, BLOCK, per_step, zero, scratch, coarse, blocks);
    for (int32_t colour = 0; colour < 2; colour++) {
        Plane plane = colour ? second(hazy_chroma) : hazy_chroma;
        float *out = coarse_chroma + (ptrdiff_t)colour * plane.height * plane.width;
        uint8_t *of_colour = blocks + LUMA + colour * HALF * HALF;
        lift_plane(plane, lift, lift + (2 + colour) * cells, CELL / HALF, HALF, per_step, zero, scratch, out, of_colour);
    }
}

/* Adds to a row of a plane a share of what blocks of `side` pixels say of it. */
INLINE void correct_row(
    const float *restrict coarse, const float *blocks, const float *restrict share, int32_t width, int32_t side,
    float *restrict more, float *restrict out)
{
    take_row(more, blocks, width / side, side, PICTURE);
    for (ptrdiff_t x = 0; x < width; x++) out[x] = coarse[x] + share[x] * more[x];
}

/* To planes is added a share of what maps say. */
FOR_EVERY_CPU void rmfd_correct(
    const float *coarse, const float *coarse_chroma, Maps maps, int32_t height, int32_t width, const float *sparing,
    float *scratch, float *image, float *chroma)
{
    const int32_t rows = height / CELL, columns = width / CELL, half = width / HALF;
    float *restrict share = scratch + width, *restrict row_of_cells = scratch + 2 * width;
    for (int32_t row = 0; row < height / BLOCK; row++) {
        const float *blocks = row_of_maps(maps, row, width / BLOCK, PICTURE);
        for (int32_t k = 0; k < BLOCK; k++) {
            const ptrdiff_t here = ((ptrdiff_t)row * BLOCK + k) * width;
            enlarge_row(share, row_of_cells, sparing, rows, columns, CELL, row * BLOCK + k);
            correct_row(coarse + here, blocks + k * BLOCK, share, width, BLOCK, scratch, image + here);
        }
        for (int32_t k = 0; k < 2 * HALF; k++) {
            const int32_t colour = k / HALF, line = k % HALF;
            const ptrdiff_t here = ((ptrdiff_t)colour * (height / HALF) + row * HALF + line) * half;
            enlarge_row(share, row_of_cells, sparing, rows, columns, CELL / HALF, row * HALF + line);
            correct_row(coarse_chroma + here, blocks + LUMA + k * HALF, share, half, HALF, scratch, chroma + here);
        }
    }
}

/* How planes depart from others, once they are held within what can be shown. */
FOR_EVERY_CPU void rmfd_change(Plane after, Plane before, int32_t planes, float low, float high, Plane change)
{
    for (int32_t k = 0; k < planes; k++)
        for (int32_t y = 0; y < after.height; y++) {
            const float *restrict now = after.first + k * after.plane + y * after.stride;
            const float *restrict then = before.first + k * before.plane + y * before.stride;
            float *restrict out = (float *)change.first + k * change.plane + y * change.stride;
            for (ptrdiff_t x = 0; x < after.width; x++) out[x] = within(now[x], low, high) - then[x];
        }
}

/* From here on maps have their channels side by side in memory. */

/* Rounds a row of places of `of` channels, and puts the first `count` of each after the other, `apart` from each other. */
INLINE void round_places(
    uint8_t *restrict out, int32_t apart, const float *restrict x, int32_t of, int32_t count, int32_t places, float per_step,
    float zero, uint8_t *restrict small)
{
    round_row(small, x, places * of, per_step, zero);
    for (ptrdiff_t k = 0; k < places; k++) memcpy(out + k * apart, small + k * of, count);
}

/* The last hidden state, of `width` channels, in register and faded; and beside as many of the `channels` of `deep`, rounded. */
FOR_EVERY_CPU void rmfd_recall_hidden(
    const float *deep, int32_t channels, Plane hidden, int32_t width, const float *kept, const float *flow, int32_t rows,
    int32_t columns, float per_step, float zero, float *scratch, float *last, uint8_t *seen)
{
    const float right = hidden.width - 1, bottom = hidden.height - 1;
    for (int32_t y = 0; y < rows; y++) {
        const ptrdiff_t line = (ptrdiff_t)y * columns;
        float *restrict out = last + line * width;
        uint8_t *beside = seen + line * 2 * width;
        if (!hidden.first) memset(out, 0, (size_t)columns * width * sizeof(float));
        for (ptrdiff_t x = 0; hidden.first && x < columns; x++) {
            const float *restrict moved = flow + (line + x) * 2;
            float at_x = least(most((int32_t)x + moved[0], 0.0f), right), at_y = least(most(y + moved[1], 0.0f), bottom);
            int32_t x0 = (int32_t)at_x, y0 = (int32_t)at_y;
            const float share_x = at_x - x0, share_y = at_y - y0;
            const float *restrict above = hidden.first + y0 * hidden.stride + (ptrdiff_t)x0 * width;
            const float *restrict below = above + (y0 < hidden.height - 1 ? hidden.stride : 0);
            const ptrdiff_t next = x0 < hidden.width - 1 ? width : 0;
            for (ptrdiff_t k = 0; k < width; k++) {
                float higher = between(above[k], above[next + k], share_x), lower = between(below[k], below[next + k], share_x);
                out[x * width + k] = kept[line + x] * between(higher, lower, share_y);
            }
        }
        round_places(beside, 2 * width, deep + line * channels, channels, width, columns, per_step, zero, (uint8_t *)scratch);
        round_places(beside + width, 2 * width, out, width, width, columns, per_step, zero, (uint8_t *)scratch);
    }
}

/* `gates` holds, of every place, what becomes reset and update. */
FOR_EVERY_CPU void rmfd_reset(
    float *gates, const float *deep, int32_t channels, const float *last, int32_t width, int32_t rows, int32_t columns,
    float per_step, float zero, float *scratch, uint8_t *seen)
{
    float *restrict kept = scratch;
    uint8_t *small = (uint8_t *)(scratch + (ptrdiff_t)columns * width);
    for (int32_t y = 0; y < rows; y++) {
        const ptrdiff_t line = (ptrdiff_t)y * columns;
        float *restrict gate = gates + line * 2 * width;
        const float *restrict before = last + line * width;
        uint8_t *beside = seen + line * 2 * width;
        sigmoid_row(gate, columns * 2 * width);
        for (ptrdiff_t x = 0; x < columns; x++)
            for (ptrdiff_t k = 0; k < width; k++) kept[x * width + k] = gate[x * 2 * width + k] * before[x * width + k];
        round_places(beside, 2 * width, deep + line * channels, channels, width, columns, per_step, zero, small);
        round_places(beside + width, 2 * width, kept, width, width, columns, per_step, zero, small);
    }
}

/* The new hidden state; and `deep` with it in the place of its first channels, rounded. */
FOR_EVERY_CPU void rmfd_renew(
    const float *candidate, const float *gates, const float *last, const float *deep, int32_t channels, int32_t width,
    int32_t rows, int32_t columns, float per_step, float zero, float *scratch, float *hidden, uint8_t *seen)
{
    const int32_t count = columns * width;
    for (int32_t y = 0; y < rows; y++) {
        const ptrdiff_t line = (ptrdiff_t)y * columns;
        const float *restrict wanted = candidate + line * width, *restrict before = last + line * width;
        const float *restrict update = gates + line * 2 * width + width;
        float *restrict out = hidden + line * width;
        /* tanh(x) is 2 / (1 + exp(-2x)) - 1. */
        for (ptrdiff_t k = 0; k < count; k++) out[k] = 2.0f * wanted[k];
        sigmoid_row(out, count);
        for (ptrdiff_t x = 0; x < columns; x++)
            for (ptrdiff_t k = 0; k < width; k++) {
                const ptrdiff_t here = x * width + k;
                out[here] = between(before[here], 2.0f * out[here] - 1.0f, update[x * 2 * width + k]);
            }
        round_row(seen + line * channels, deep + line * channels, columns * channels, per_step, zero);
        round_places(seen + line * channels, channels, out, width, width, columns, per_step, zero, (uint8_t *)scratch);
    }
}
