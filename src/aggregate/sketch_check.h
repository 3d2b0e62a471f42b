/*
 * sketch_check.h
 *		Whether a value of a sketch type is one that its extension can take.
 */
#ifndef STREAMBATCH_SKETCH_CHECK_H
#define STREAMBATCH_SKETCH_CHECK_H

/*
 * Raises invalid_binary_representation for what is no sketch as hybrid views store it. The first returns the number
 * of its values.
 */
extern int64 sketch_check_tdigest(Datum sketch);
extern void sketch_check_hll(Datum sketch);

/* Adds up the values of t-digests to be merged; raises numeric_value_out_of_range where they are too many. */
extern int64 sketch_add_counts(int64 a, int64 b);

#endif /* STREAMBATCH_SKETCH_CHECK_H */
