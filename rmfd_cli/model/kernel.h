/* The kernel of convolve.c for one kind of processor, which says before it includes this: NAME, TARGET, VECTOR, of integers, and how to
   LOAD one, to SPREAD four bytes, to ADD_PRODUCTS of bytes by four, and to STORE numbers; PIXELS and EACH_PIXEL of them, as many as
   there are registers for the sums of, two vectors of channels each. */

#define LANES ((int32_t)(sizeof(VECTOR) / sizeof(int32_t)))
#define JOINED(name, part) name##part
#define CALLED(name, part) JOINED(name, part)

#define BEGIN(k) VECTOR sum_##k = start, sum_of_other_##k = start_of_other;
#define ADD(k) \
    { \
        const VECTOR four = SPREAD(here + k * step); \
        ADD_PRODUCTS(sum_##k, four, w); \
        if (two) ADD_PRODUCTS(sum_of_other_##k, four, w_of_other); \
    }
#define LEAVE(k) \
    { \
        float *to = out + (x + k) * conv->channels + channel; \
        STORE(to, sum_##k, conv->scale + channel, conv->bias + channel); \
        if (two) STORE(to + LANES, sum_of_other_##k, conv->scale + channel + LANES, conv->bias + channel + LANES); \
    }

/* For places in a row, from `x` on: the channels from the given one on, one vector of them or `two`. */
#define AT_ONCE(NAME, EACH) \
    __attribute__((target(TARGET), always_inline)) static inline void NAME( \
        const Conv *conv, const Sight *sight, ptrdiff_t x, int32_t channel, const int32_t two, float *out) \
    { \
        const ptrdiff_t step = sight->step, next = conv->units * UNIT * QUAD; \
        const VECTOR start = LOAD(conv->start + channel), start_of_other = LOAD(conv->start + channel + two * LANES); \
        const int8_t *weights = conv->weights + channel * QUAD; \
        EACH(BEGIN) \
        for (int32_t tap = 0; tap < sight->taps; tap++) { \
            const uint8_t *here = sight->first[tap] + x * step; \
            for (int32_t quad = 0; quad < conv->quads; quad++, here += QUAD, weights += next) { \
                const VECTOR w = LOAD(weights), w_of_other = LOAD(weights + two * LANES * QUAD); \
                EACH(ADD) \
            } \
        } \
        EACH(LEAVE) \
    }

#define ONE_PIXEL(DO) DO(0)
AT_ONCE(CALLED(NAME, _pixel), ONE_PIXEL)
AT_ONCE(CALLED(NAME, _pixels), EACH_PIXEL)

__attribute__((target(TARGET), always_inline)) static inline void CALLED(NAME, _channels)(
    const Conv *conv, const Sight *sight, int32_t columns, int32_t channel, const int32_t two, float *out)
{
    if (columns < PIXELS)
        for (ptrdiff_t x = 0; x < columns; x++) CALLED(NAME, _pixel)(conv, sight, x, channel, two, out);
    else
        for (ptrdiff_t x = 0; x < columns; x += PIXELS) /* The last ones may be done twice. */
            CALLED(NAME, _pixels)(conv, sight, x + PIXELS <= columns ? x : columns - PIXELS, channel, two, out);
}

/* From the last channels to the first: what is too much of them runs into the next place. */
__attribute__((target(TARGET))) static void NAME(const Conv *conv, const Sight *sight, int32_t columns, float *out)
{
    int32_t channel = conv->units * UNIT;
    for (; channel >= 2 * LANES; channel -= 2 * LANES) CALLED(NAME, _channels)(conv, sight, columns, channel - 2 * LANES, 1, out);
    if (channel) CALLED(NAME, _channels)(conv, sight, columns, 0, 0, out);
}

#undef LANES
#undef JOINED
#undef CALLED
#undef BEGIN
#undef ADD
#undef LEAVE
#undef AT_ONCE
#undef ONE_PIXEL
#undef EACH_PIXEL
#undef PIXELS
#undef NAME
#undef TARGET
#undef VECTOR
#undef LOAD
#undef SPREAD
#undef ADD_PRODUCTS
#undef STORE
