/* Between a video's code values and numbers, in one pass each: `ycc.py` on planes of 8 bits and of more. */

#include "compiled.h"

const int32_t rmfd_version = RMFD_VERSION;

/* What lies outside [low, high] is clipped. */
#define TO_NUMBERS(CODE, NAME)                                                                                                   \
    FOR_EVERY_CPU void NAME(const CODE *plane, ptrdiff_t count, int32_t low, int32_t high, float per_code, float zero, float *out) \
    {                                                                                                                            \
        for (ptrdiff_t k = 0; k < count; k++) {                                                                                  \
            int32_t code = plane[k];                                                                                             \
            code = code < low ? low : code > high ? high : code;                                                                 \
            out[k] = (float)code * per_code - zero;                                                                              \
        }                                                                                                                        \
    }

TO_NUMBERS(uint8_t, rmfd_to_numbers_8)
TO_NUMBERS(uint16_t, rmfd_to_numbers_16)

/* The change is rounded, half to even; the sum stays within [low, high] or as far outside as the code itself was, and within
   [0, highest] in any case. */
#define ADD_CHANGE(CODE, NAME)                                                                                                   \
    FOR_EVERY_CPU void NAME(                                                                                                     \
        const CODE *plane, const float *change, ptrdiff_t count, float codes, int32_t low, int32_t high, int32_t highest, CODE *out) \
    {                                                                                                                            \
        for (ptrdiff_t k = 0; k < count; k++) {                                                                                  \
            int32_t code = plane[k];                                                                                             \
            int32_t from = code < low ? code : low, to = code > high ? code : high;                                              \
            /* No difference of codes is larger; and no number is too large for an integer. */                                   \
            int32_t sum = code + (int32_t)__builtin_rintf(within(change[k] * codes, -65535.0f, 65535.0f));                       \
            sum = sum < 0 ? 0 : sum > highest ? highest : sum;                                                                   \
            out[k] = (CODE)(sum < from ? from : sum > to ? to : sum);                                                            \
        }                                                                                                                        \
    }

ADD_CHANGE(uint8_t, rmfd_add_change_8)
ADD_CHANGE(uint16_t, rmfd_add_change_16)
