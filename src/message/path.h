/*
 * path.h
 *		Where in a payload a column finds its value: the option path, read into steps.
 */
#ifndef STREAMBATCH_PATH_H
#define STREAMBATCH_PATH_H

#include "message/json.h"

/*
 * The steps of an option path: dots separate keys and [n] indexes arrays ("geo.tags[0].name"), or, where it
 * begins with a slash, a JSON Pointer (RFC 6901: "/geo.tags/0/a~1b"), for keys with dots and brackets. Raises
 * fdw_invalid_attribute_value where it is neither. Steps and keys (UTF-8) are allocated in the current context.
 */
extern JsonPath path_parse(const char *path);

/* The path of a column without the option: one key, its name, whatever it is made of. */
extern JsonPath path_of_name(const char *name);

#endif /* STREAMBATCH_PATH_H */
