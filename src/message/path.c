/*
 * path.c
 *		Parses the paths of columns (see path.h).
 *
 * There are two syntaxes with one result. In a dotted path, brackets mark an index; in a JSON Pointer, digits can be
 * an index or a key, depending on the document. A path never causes an error for a document: if there is no value
 * at the path, the column is NULL.
 */
#include "postgres.h"

#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "message/path.h"

typedef struct PathReader
{
	const char *path; /* the whole path, for error messages */
	JsonStep *steps;
	int nsteps;
	int numbers;
} PathReader;

static JsonPath path_read(const char *path, void (*read)(PathReader *));
static void read_dotted(PathReader *reader);
static const char *read_index(PathReader *reader, const char *s);
static void read_pointer(PathReader *reader);
static void add_key(PathReader *reader, const char *key, size_t len);
static void add_step(PathReader *reader, JsonStep step);
static bool parse_index(const char *s, size_t len, uint32 *index);
pg_noreturn static void bad_path(PathReader *reader, const char *detail);

JsonPath
path_parse(const char *path)
{
	return path_read(path, path[0] == '/' ? read_pointer : read_dotted);
}

JsonPath
path_of_name(const char *name)
{
	PathReader reader = {name, palloc(sizeof(JsonStep)), 0, 0};
	JsonPath result;

	add_key(&reader, name, strlen(name));
	result.steps = reader.steps;
	result.nsteps = reader.nsteps;
	return result;
}

static JsonPath
path_read(const char *path, void (*read)(PathReader *))
{
	PathReader reader = {path, palloc(JSON_MAX_STEPS * sizeof(JsonStep)), 0, 0};
	JsonPath result;

	read(&reader);
	result.steps = reader.steps;
	result.nsteps = reader.nsteps;
	return result;
}

/* key ("." key | "[" digits "]")* */
static void
read_dotted(PathReader *reader)
{
	const char *s = reader->path;

	for (;;)
	{
		size_t len = strcspn(s, ".[]");

		if (len == 0)
			bad_path(reader,
					 *s == '\0' || *s == '.' ? "A key is empty." : "Expected a key, but found a bracket.");
		add_key(reader, s, len);
		s += len;
		while (*s == '[')
			s = read_index(reader, s + 1);
		if (*s == '\0')
			return;
		if (*s != '.')
			bad_path(reader, "An index must be followed by a dot, another index, or the end of the path.");
		s++;
	}
}

/* Read digits and a closing bracket. Returns the position after them. */
static const char *
read_index(PathReader *reader, const char *s)
{
	JsonStep step = {JSON_STEP_INDEX, NULL, 0, 0};
	size_t len = strspn(s, "0123456789");

	if (s[len] != ']' || !parse_index(s, len, &step.index))
		bad_path(reader, "An index must be a non-negative integer in brackets.");
	add_step(reader, step);
	return s + len + 1;
}

/* ("/" token)*, where ~1 means a slash and ~0 a tilde */
static void
read_pointer(PathReader *reader)
{
	const char *s = reader->path;

	while (*s == '/')
	{
		size_t len = strcspn(++s, "/");
		char *key = palloc(len + 1);
		size_t n = 0;

		for (size_t i = 0; i < len; i++)
		{
			if (s[i] != '~')
			{
				key[n++] = s[i];
				continue;
			}
			i++;
			if (i == len || (s[i] != '0' && s[i] != '1'))
				bad_path(reader, "In a JSON Pointer, ~ must be followed by 0 or 1.");
			key[n++] = s[i] == '0' ? '~' : '/';
		}
		add_key(reader, key, n);
		if (parse_index(s, len, &reader->steps[reader->nsteps - 1].index))
		{
			if (++reader->numbers > JSON_MAX_EITHER)
				bad_path(reader,
						 psprintf("A JSON Pointer can have at most %d numeric steps.", JSON_MAX_EITHER));
			reader->steps[reader->nsteps - 1].kind = JSON_STEP_EITHER;
		}
		s += len;
	}
}

static void
add_key(PathReader *reader, const char *key, size_t len)
{
	char *copy = pnstrdup(key, len);
	JsonStep step = {JSON_STEP_KEY, NULL, 0, 0};

	step.key = pg_server_to_any(copy, len, PG_UTF8);
	step.key_len = step.key == copy ? len : strlen(step.key);
	add_step(reader, step);
}

static void
add_step(PathReader *reader, JsonStep step)
{
	if (reader->nsteps == JSON_MAX_STEPS)
		bad_path(reader, psprintf("A path can have at most %d steps.", JSON_MAX_STEPS));
	reader->steps[reader->nsteps++] = step;
}

/* Parse an array index: up to 9 digits without leading zeros. */
static bool
parse_index(const char *s, size_t len, uint32 *index)
{
	uint64 value = 0;

	if (len == 0 || len > 9 || (s[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = value * 10 + (s[i] - '0');
	}
	*index = (uint32) value;
	return true;
}

static void
bad_path(PathReader *reader, const char *detail)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE), errmsg("invalid path \"%s\"", reader->path),
		 errdetail_internal("%s", detail),
		 errhint(
			 "Write keys and indexes as in 'geo.tags[0].name'. For keys that contain dots or brackets, use a JSON Pointer as in '/geo.tags/0/name'.")));
}
