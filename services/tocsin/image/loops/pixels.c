/* The loops over a picture's pixels that plain.py states in numpy: the same results, each in one call and without memory of its own.

   Pictures are RGB, uint8 [height, width, 3], the pixels of a row side by side; `stride` is the distance of two rows in bytes, and may be
   negative. No function keeps a pointer, allocates or fails: its caller (compiled.py) has looked at every size. Compile it with
   -ffp-contract=off: each float operation is rounded by itself, so that a tensor has the bits that numpy gives it.

   The innermost loops are such that compilers make vectors of them: no sum waits for the one before it. */

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0 || defined(__FAST_MATH__)
#error "floats would not be rounded as numpy rounds them"
#endif

#define COLOURS 3
#define TILE_SUMS 3072      /* sums that are made at a time: 6 KB stay in the processor's nearest cache */
#define TILE 256            /* columns that are made at a time where each takes more */
#define STEP_OF_16_BITS 257 /* so many bytes add up to at most 65535 */
#define BLOCK_OF_16_BITS 16 /* and so many rows of so many */
#define STEPS_APART 8       /* steps with a loop of their own, in which the compiler knows them: luma takes two thirds of the time */

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* SHA-256 of this file: the loader takes no library of another source. */
const char *tocsin_source(void) { return TOCSIN_SOURCE; }

INLINE const uint8_t *row_of(const uint8_t *pixels, ptrdiff_t stride, size_t row) { return pixels + (ptrdiff_t)row * stride; }

INLINE size_t least(size_t one, size_t other) { return one < other ? one : other; }

/* Luma, averaged over blocks. */

/* Sums of `step` rows, one below the other, value by value. */
INLINE void sum_down(const uint8_t *top, ptrdiff_t stride, size_t step, size_t values, uint16_t *restrict sums) {
    if (step > STEPS_APART) {
        memset(sums, 0, values * sizeof *sums);
        for (size_t row = 0; row < step; row++)
            for (size_t at = 0; at < values; at++) sums[at] = (uint16_t)(sums[at] + row_of(top, stride, row)[at]);
        return;
    }
    for (size_t at = 0; at < values; at++) {
        uint16_t sum = 0;
        for (size_t row = 0; row < step; row++) sum = (uint16_t)(sum + row_of(top, stride, row)[at]);
        sums[at] = sum;
    }
}

INLINE float weighed(const float *weights, int32_t red, int32_t green, int32_t blue) {
    return (float)red * weights[0] + (float)green * weights[1] + (float)blue * weights[2];
}

/* Luma of a block whose rows are summed down. */
INLINE float luma_across(const uint16_t *sums, size_t step, const float *weights) {
    int32_t red = 0, green = 0, blue = 0;
    for (size_t pixel = 0; pixel < step; pixel++, sums += COLOURS) red += sums[0], green += sums[1], blue += sums[2];
    return weighed(weights, red, green, blue);
}

/* The same where no sum needs more than 16 bits: four are added at a time, of which the last counts for nothing. */
INLINE float luma_across_few(const uint16_t *sums, size_t step, const float *weights) {
    uint64_t whole = 0;
    for (size_t pixel = 0; pixel < step; pixel++, sums += COLOURS)
        whole += (uint64_t)sums[0] | (uint64_t)sums[1] << 16 | (uint64_t)sums[2] << 32 | (uint64_t)sums[3] << 48;
    return weighed(weights, (int32_t)(whole & 0xFFFF), (int32_t)(whole >> 16 & 0xFFFF), (int32_t)(whole >> 32 & 0xFFFF));
}

INLINE void luma_of_a_row(const uint8_t *top, ptrdiff_t stride, size_t step, const float *weights, float *restrict luma, size_t columns) {
    uint16_t sums[TILE_SUMS + 1];
    size_t values = step * COLOURS, tile = TILE_SUMS / values;
    for (size_t left = 0; left < columns; left += tile) {
        size_t count = least(columns - left, tile);
        sum_down(top + left * values, stride, step, count * values, sums);
        sums[count * values] = 0;
        if (step <= BLOCK_OF_16_BITS)
            for (size_t at = 0; at < count; at++) luma[left + at] = luma_across_few(sums + at * values, step, weights);
        else
            for (size_t at = 0; at < count; at++) luma[left + at] = luma_across(sums + at * values, step, weights);
    }
}

/* The same for any step. Only a picture of more than 4 gigapixels has blocks of more than STEP_OF_16_BITS. */
static void luma_of_a_large_row(
    const uint8_t *top, ptrdiff_t stride, size_t step, const float *weights, float *restrict luma, size_t columns) {
    for (size_t column = 0; column < columns; column++) {
        double sum = 0;
        for (size_t row = 0; row < step; row++)
            for (size_t at = 0; at < step * COLOURS; at++)
                sum += (double)row_of(top, stride, row)[column * step * COLOURS + at] * weights[at % COLOURS];
        luma[column] = (float)sum;
    }
}

#define OF_STEP(step) \
    case step: \
        luma_of_a_row(top, stride, step, weights, values, columns); \
        break

/* luma: float [rows, columns], each the luma of step x step pixels; weights: those of red, green and blue in one of these pixels. */
void tocsin_luma(
    const uint8_t *pixels, ptrdiff_t stride, size_t step, const float *weights, float *restrict luma, size_t rows, size_t columns) {
    for (size_t row = 0; row < rows; row++) {
        const uint8_t *top = row_of(pixels, stride, row * step);
        float *values = luma + row * columns;
        switch (step) {
            OF_STEP(1);
            OF_STEP(2);
            OF_STEP(3);
            OF_STEP(4);
            OF_STEP(5);
            OF_STEP(6);
            OF_STEP(7);
            OF_STEP(8);
            default:
                if (step <= STEP_OF_16_BITS)
                    luma_of_a_row(top, stride, step, weights, values, columns);
                else
                    luma_of_a_large_row(top, stride, step, weights, values, columns);
        }
    }
}

/* What the gate measures. */

typedef struct {
    double sum[TILE], squares[TILE]; /* of each column of a tile */
} Moments;

INLINE void take(Moments *moments, const float *values, size_t count, float shift) {
    for (size_t at = 0; at < count; at++) {
        double value = (double)values[at] - shift;
        moments->sum[at] += value;
        moments->squares[at] += value * value;
    }
}

/* `row`: where the values begin that have neighbours on all sides. */
INLINE void take_laplacian(Moments *moments, const float *row, size_t count, size_t columns) {
    const float *above = row - columns, *below = row + columns, *left = row - 1, *right = row + 1;
    float values[TILE];
    for (size_t at = 0; at < count; at++) values[at] = above[at] + below[at] + left[at] + right[at] - 4 * row[at];
    take(moments, values, count, 0);
}

/* The variance of `count` values, and their mean. Of no value both are no number, as numpy has it. */
static double variance_of(const Moments *moments, double count, double *mean) {
    double sum = 0, squares = 0;
    for (size_t at = 0; at < TILE; at++) sum += moments->sum[at], squares += moments->squares[at];
    *mean = sum / count;
    double variance = squares / count - *mean * *mean;
    return variance < 0 ? 0 : variance; /* what rounding leaves of 0 */
}

/* luma: float [rows, columns]; found: its mean, its variance, and the variance of its discrete Laplacian. */
void tocsin_measure(const float *luma, size_t rows, size_t columns, double *found) {
    Moments light = {{0}, {0}}, detail = {{0}, {0}};
    float shift = luma[0]; /* as seen from here, an even tone deviates by nothing at all */
    double mean, inner = rows > 2 && columns > 2 ? (double)(rows - 2) * (double)(columns - 2) : 0;
    for (size_t left = 0; left < columns; left += TILE)
        for (size_t row = 0; row < rows; row++) take(&light, luma + row * columns + left, least(columns - left, TILE), shift);
    for (size_t left = 1; left + 1 < columns; left += TILE)
        for (size_t row = 1; row + 1 < rows; row++)
            take_laplacian(&detail, luma + row * columns + left, least(columns - 1 - left, TILE), columns);
    found[2] = variance_of(&detail, inner, &mean);
    found[1] = variance_of(&light, (double)rows * (double)columns, &mean);
    found[0] = mean + shift;
}

/* The tensor. */

typedef struct {
    size_t before, after; /* the source values before and after a target value's centre */
    float share;          /* how far the centre lies towards the latter */
} Place;

static size_t within(float at, size_t source) { return at <= 0 ? 0 : least((size_t)at, source - 1); }

static Place place_of(size_t at, size_t source, size_t target) {
    float scale = (float)source / (float)target, centre = ((float)at + 0.5f) * scale - 0.5f, below = floorf(centre);
    Place place = {within(below, source), within(ceilf(centre), source), centre - below};
    return place;
}

typedef struct {
    size_t count;
    size_t inside;                    /* so many of them have a pixel of the row behind them */
    size_t before[TILE], after[TILE]; /* in bytes from a row's begin */
    float share[TILE * COLOURS];
} Across;

static void place_across(Across *across, size_t left, size_t width, size_t columns) {
    across->count = least(columns - left, TILE);
    across->inside = 0;
    for (size_t at = 0; at < across->count; at++) {
        Place place = place_of(left + at, width, columns);
        across->inside += place.after + 1 < width;
        across->before[at] = place.before * COLOURS;
        across->after[at] = place.after * COLOURS;
        for (size_t colour = 0; colour < COLOURS; colour++) across->share[at * COLOURS + colour] = place.share;
    }
}

/* The colours of pixels, side by side. Four bytes at a time are quicker than three; the fourth is written over by the next pixel. */
INLINE void gather(const uint8_t *row, const size_t *from, const Across *across, uint8_t *restrict colours) {
    for (size_t at = 0; at < across->inside; at++) memcpy(colours + at * COLOURS, row + from[at], COLOURS + 1);
    for (size_t at = across->inside; at < across->count; at++) memcpy(colours + at * COLOURS, row + from[at], COLOURS);
}

INLINE float between(float first, float second, float share) { return (second - first) * share + first; }

/* One row of target values, from the source rows above and below it. */
static void blend(const uint8_t *upper, const uint8_t *lower, const Across *across, float down, float *restrict blended) {
    uint8_t corners[4][TILE * COLOURS + 1];
    gather(upper, across->before, across, corners[0]);
    gather(upper, across->after, across, corners[1]);
    gather(lower, across->before, across, corners[2]);
    gather(lower, across->after, across, corners[3]);
    for (size_t at = 0; at < across->count * COLOURS; at++) {
        float above = between(corners[0][at], corners[1][at], across->share[at]);
        float below = between(corners[2][at], corners[3][at], across->share[at]);
        blended[at] = between(above, below, down);
    }
}

/* The nearest float16, as `halves` of plain.py has it. */
INLINE uint16_t half_of(float value) {
    uint32_t bits;
    value *= 0x1p-112f;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + ((bits >> 13) & 1) + 0xFFF) >> 13);
}

static void halve(const float *values, size_t count, uint16_t *restrict halves) {
    for (size_t at = 0; at < count; at++) halves[at] = half_of(values[at]);
}

/* target: [rows, columns, 3], float16 where `half`, else float. */
void tocsin_resize(
    const uint8_t *pixels, ptrdiff_t stride, size_t height, size_t width, void *target, size_t rows, size_t columns, int half) {
    Across across;
    float blended[TILE * COLOURS];
    for (size_t left = 0; left < columns; left += TILE) {
        place_across(&across, left, width, columns);
        for (size_t row = 0; row < rows; row++) {
            Place down = place_of(row, height, rows);
            size_t at = (row * columns + left) * COLOURS, count = across.count * COLOURS;
            blend(row_of(pixels, stride, down.before), row_of(pixels, stride, down.after), &across, down.share, blended);
            if (half)
                halve(blended, count, (uint16_t *)target + at);
            else
                memcpy((float *)target + at, blended, count * sizeof *blended);
        }
    }
}
