/*
 * sketch_check.h
 *		Sketches looked through before the code of the extensions hll and tdigest reads them, which believes any bytes.
 */
#ifndef STREAMBATCH_SKETCH_CHECK_H
#define STREAMBATCH_SKETCH_CHECK_H

/*
 * Raises invalid_binary_representation for whatever sketch.c cannot have made. Returns the sketch detoasted: where
 * it was, or a copy in the current context.
 *
 * count: to how many values the sketches that are united stand for, a t-digest's are added; a HyperLogLog has no such
 * number. Raises numeric_value_out_of_range beyond SKETCH_TDIGEST_MAX_COUNT.
 */
extern Datum sketch_check_hll(Datum sketch, int64 *count);
extern Datum sketch_check_tdigest(Datum sketch, int64 *count);

/* Whether a HyperLogLog has the hashes of all values, and is no estimate. Checks it. */
extern bool sketch_hll_is_list(Datum sketch);

#endif /* STREAMBATCH_SKETCH_CHECK_H */
