/*
 * options.h
 *		The options of foreign tables and columns; options.c also has the wrapper's validator.
 */
#ifndef STREAMBATCH_OPTIONS_H
#define STREAMBATCH_OPTIONS_H

/*
 * The length in microseconds of an interval option: not negative, a day being 24 hours. Raises
 * fdw_invalid_attribute_value for any other, and what interval_in() raises.
 */
extern int64 option_interval(const char *name, const char *value);

#endif /* STREAMBATCH_OPTIONS_H */
