/*
 * path.h
 *		Parses the option path, the location of a column's value in the payload, into steps.
 */
#ifndef STREAMBATCH_PATH_H
#define STREAMBATCH_PATH_H

#include "message/json.h"

/*
 * Parse the option path: dots separate keys and [n] indexes arrays ("geo.tags[0].name"), or, if it begins with a
 * slash, a JSON Pointer (RFC 6901: "/geo.tags/0/a~1b"), for keys that contain dots or brackets. Raises
 * fdw_invalid_attribute_value if it is neither. Steps and keys (UTF-8) are allocated in the current context.
 */
extern JsonPath path_parse(const char *path);

/* The path of a column without the option: its name as one key, without interpretation. */
extern JsonPath path_of_name(const char *name);

#endif /* STREAMBATCH_PATH_H */
