/*
 * options.h
 *		The options of foreign tables and columns. options.c also contains the validator of the wrapper.
 */
#ifndef STREAMBATCH_OPTIONS_H
#define STREAMBATCH_OPTIONS_H

/*
 * The value of an interval option in microseconds, where a day is 24 hours. Raises fdw_invalid_attribute_value if it
 * is negative or contains months, and the errors of interval_in().
 */
extern int64 option_interval(const char *name, const char *value);

#endif /* STREAMBATCH_OPTIONS_H */
