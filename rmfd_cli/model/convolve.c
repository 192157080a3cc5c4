/* Convolutions in 8-bit integers, and what is done to their results while these are near: `passes.convolve` on a CPU, for one
   picture. `native_convolve.py` calls it; tests/model/test_native.py holds it to torch's.

   Maps have their channels side by side in memory. Products of bytes have instructions of their own, which no compiler finds in
   a loop; so there is a kernel for each kind of processor that has them. Sums are exact, and the same on each. */

#include "model/convolve.h"
#include "model/rounding.h"

enum { MOST_TAPS = 9 };

/* Where a convolution looks for the first place of a row; for the next one it looks `step` bytes further on. */
typedef struct {
    const uint8_t *first[MOST_TAPS];
    int32_t taps;
    ptrdiff_t step;
} Sight;

/* What comes out of a convolution for a row of places; behind its end there is room for a unit. */
typedef void (*Row)(const Conv *, const Sight *, int32_t columns, float *out);

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>

INLINE int32_t four_of(const uint8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return four;
}

/* What both kernels of 256 bits are made of. */
#define SPREAD_256(from) _mm256_set1_epi32(four_of(from))
#define LOAD_256(from) _mm256_loadu_si256((const __m256i *)(from))
#define STORE_256(to, sum, scale, bias) \
    _mm256_storeu_ps(to, _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(scale)), _mm256_loadu_ps(bias)))

/* clang-format off */
#define NAME row_by_avx2
#define TARGET "avx2"
#define VECTOR __m256i
#define LOAD LOAD_256
#define SPREAD SPREAD_256
/* Two products of a byte and a weight of up to 63 fit into 16 bits. */
#define ADD_PRODUCTS(sum, x, w) \
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)))
#define STORE STORE_256
#define PIXELS 5
#define EACH_PIXEL(DO) DO(0) DO(1) DO(2) DO(3) DO(4)
#include "model/kernel.h"

/* Assemblers that came before these do not know the instruction. */
#if defined(__clang__) ? __clang_major__ >= 13 : __GNUC__ >= 11
#define HAS_AVX_VNNI
#define NAME row_by_avx_vnni
#define TARGET "avx2"
#define VECTOR __m256i
#define LOAD LOAD_256
#define SPREAD SPREAD_256
/* In place, which is not what compilers make of the function for it; in the code that does without AVX-512. */
#define ADD_PRODUCTS(sum, x, w) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w))
#define STORE STORE_256
#define PIXELS 6
#define EACH_PIXEL(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#include "model/kernel.h"
#endif

#define NAME row_by_avx512
#define TARGET "avx512f,avx512vnni"
#define VECTOR __m512i
#define LOAD(from) _mm512_loadu_si512(from)
#define SPREAD(from) _mm512_set1_epi32(four_of(from))
#define ADD_PRODUCTS(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#define STORE(to, sum, scale, bias) \
    _mm512_storeu_ps(to, _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(scale)), _mm512_loadu_ps(bias)))
#define PIXELS 10
#define EACH_PIXEL(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9)
#include "model/kernel.h"
/* clang-format on */

static const Row ROWS[] = {
    [AVX2] = row_by_avx2,
#ifdef HAS_AVX_VNNI
    [AVX_VNNI] = row_by_avx_vnni,
#endif
    [AVX512_VNNI] = row_by_avx512,
};

/* Compilers of today cannot all ask for it by name. */
static int has_avx_vnni(void)
{
    unsigned int eax = 0, ebx, ecx, edx;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}

int32_t rmfd_can_run(int32_t instructions)
{
    if (instructions < AVX2 || instructions > AVX512_VNNI || !ROWS[instructions]) return 0;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2")) return 0;
    if (instructions == AVX_VNNI) return has_avx_vnni();
    return instructions == AVX2 || (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni"));
}

#else

static const Row ROWS[1];

int32_t rmfd_can_run(int32_t instructions)
{
    (void)instructions;
    return 0;
}

#endif

void pointwise_row(const Conv *conv, const uint8_t *x, int32_t columns, float *out)
{
    const Sight sight = {.first = {x}, .taps = 1, .step = conv->quads * QUAD};
    ROWS[conv->instructions](conv, &sight, columns, out);
}

/* Numbers as a convolution sees them, rounded to so many steps `per_unit`; none if `seen` is NULL. */
typedef struct {
    uint8_t *seen;
    float per_unit, zero;
} Rounded;

INLINE float floor_of(int32_t rectified) { return rectified ? 0.0f : -3.4e38f; }

/* What is done to a row that came out, from number `begin` on: it is added to `more`, and what there is of the sum is left in `sum` and
   rounded for two takers. */
FOR_EVERY_CPU static void finish_row(
    float *restrict row, ptrdiff_t begin, ptrdiff_t count, int32_t rectified, Rounded more, int32_t sum_is_rectified, float *sum,
    Rounded one, Rounded other)
{
    const float least_of_it = floor_of(rectified), least_of_sum = floor_of(sum_is_rectified);
    if (more.seen) {
        const uint8_t *restrict seen = more.seen + begin;
        const float step = 1.0f / more.per_unit;
        for (ptrdiff_t k = 0; k < count; k++) row[k] = most(most(row[k], least_of_it) + ((int32_t)seen[k] - more.zero) * step, least_of_sum);
    } else if (rectified || sum_is_rectified)
        for (ptrdiff_t k = 0; k < count; k++) row[k] = most(row[k], 0.0f);
    if (sum) memcpy(sum + begin, row, count * sizeof(float));
    if (one.seen) round_row(one.seen + begin, row, (int32_t)count, one.per_unit, one.zero);
    if (other.seen) round_row(other.seen + begin, row, (int32_t)count, other.per_unit, other.zero);
}

FOR_EVERY_CPU static void add_row(float *restrict row, const float *restrict more, ptrdiff_t count)
{
    for (ptrdiff_t k = 0; k < count; k++) row[k] += more[k];
}

/* `x` has `rows` of `columns` places. To what comes out is added what there is `beside`; the sum is `enlarged`, each place twice in both
   directions, before `more` is added. Scratch: in bytes, `(side - 1) * dilation + 2` rows of `x`, each `2 * padding` places longer; in
   numbers, three rows of what comes out, and a unit. */
void rmfd_convolve(
    const Conv *conv, const uint8_t *x, int32_t rows, int32_t columns, Maps beside, Rounded more, int32_t enlarged,
    int32_t rectified, uint8_t *scratch, float *numbers, float *sum, Rounded one, Rounded other)
{
    const int32_t side = conv->side, reach = (side - 1) * conv->dilation, ring = reach + 1, stride = conv->stride, padding = conv->padding;
    const int32_t out_rows = (rows + 2 * padding - reach - 1) / stride + 1, out_columns = (columns + 2 * padding - reach - 1) / stride + 1;
    const ptrdiff_t place = conv->quads * QUAD, length = place * columns, padded = place * (columns + 2 * padding);
    const ptrdiff_t count = (ptrdiff_t)out_columns * conv->channels, wide = enlarged ? 2 * count : count;
    const uint8_t *nothing = scratch + ring * padded;
    float *second_row = numbers + count + UNIT;
    const Row row_of = ROWS[conv->instructions];
    Sight sight = {.step = stride * place, .taps = side * side};
    int32_t copied = 0;
    memset(scratch, conv->zero, (ring + 1) * padded);
    for (int32_t y = 0; y < out_rows; y++) {
        const int32_t top = y * stride - padding;
        for (; padding && copied < rows && copied <= top + reach; copied++)
            memcpy(scratch + copied % ring * padded + padding * place, x + copied * length, length);
        for (int32_t tap = 0; tap < sight.taps; tap++) {
            const int32_t from = top + tap / side * conv->dilation;
            const uint8_t *row = nothing;
            if (from >= 0 && from < rows) row = padding ? scratch + from % ring * padded : x + from * length;
            sight.first[tap] = row + tap % side * conv->dilation * place;
        }
        float *row = numbers;
        row_of(conv, &sight, out_columns, row);
        if (beside.all || beside.conv) add_row(row, row_of_maps(beside, y, out_columns, conv->channels), count);
        for (int32_t again = 0; again <= enlarged; again++) {
            if (enlarged) {
                row = second_row;
                for (ptrdiff_t column = 0; column < 2 * out_columns; column++)
                    memcpy(row + column * conv->channels, numbers + column / 2 * conv->channels, conv->channels * sizeof(float));
            }
            finish_row(row, ((ptrdiff_t)y * (enlarged + 1) + again) * wide, wide, conv->rectified, more, rectified, sum, one, other);
        }
    }
}
