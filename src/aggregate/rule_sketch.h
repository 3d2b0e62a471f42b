/*
 * rule_sketch.h
 *		The rules for count(DISTINCT x), percentile_cont and percentile_disc: exact in the batch layer, sketched in the stream layer.
 */
#ifndef STREAMBATCH_RULE_SKETCH_H
#define STREAMBATCH_RULE_SKETCH_H

#include "aggregate/rule_parts.h"

/*
 * Like rule_apply(); returns false for any other aggregate. Raises if the extension is not installed, and for
 * types and fractions that a sketch does not support.
 */
extern bool rule_sketch(const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts);

#endif /* STREAMBATCH_RULE_SKETCH_H */
