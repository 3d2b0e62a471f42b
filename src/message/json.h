/*
 * json.h
 *		Checks a JSON document completely, and extracts the fields that columns refer to.
 *
 * The C interface of a C++ file that is independent of PostgreSQL: no exceptions, no palloc, no ereport, so
 * that no longjmp crosses it and a fuzzer can run it alone. All text is UTF-8.
 */
#ifndef STREAMBATCH_JSON_H
#define STREAMBATCH_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

#define JSON_MAX_PAYLOAD (64 * 1024 * 1024) /* bytes of a document */
#define JSON_MAX_DEPTH 64					/* nested objects and arrays, including the document itself */
#define JSON_MAX_NUMBER 16384				/* characters of a number */
#define JSON_MAX_STEPS JSON_MAX_DEPTH		/* of a path */
#define JSON_MAX_EITHER 6					/* steps of one path that can be index or key */

	/* One step of a path into a document. */
	typedef enum JsonStepKind
	{
		JSON_STEP_KEY,	 /* a member of an object */
		JSON_STEP_INDEX, /* an element of an array, from 0 */
		JSON_STEP_EITHER /* digits in a JSON Pointer: depends on the document */
	} JsonStepKind;

	typedef struct JsonStep
	{
		JsonStepKind kind;
		const char *key; /* unescaped; not NUL-terminated */
		size_t key_len;
		uint32_t index;
	} JsonStep;

	typedef struct JsonPath
	{
		const JsonStep *steps;
		int nsteps;
	} JsonPath;

	/* The kind of value at a path. */
	typedef enum JsonKind
	{
		JSON_MISSING,
		JSON_NULL,
		JSON_BOOL,
		JSON_NUMBER,
		JSON_STRING,
		JSON_ARRAY,
		JSON_OBJECT
	} JsonKind;

	typedef struct JsonCell
	{
		JsonKind kind;
		const char *text; /* a string unescaped, anything else unchanged; not NUL-terminated */
		size_t len;
		const char *raw; /* unchanged, strings with their quotes */
		size_t raw_len;
	} JsonCell;

	/* Why a document is invalid. */
	typedef enum JsonFault
	{
		JSON_OK,
		JSON_EMPTY,		 /* only white space */
		JSON_NOT_OBJECT, /* valid, but the root is not an object */
		JSON_TOO_LONG,
		JSON_TOO_DEEP,
		JSON_NUMBER_TOO_LONG,
		JSON_BAD_UTF8,
		JSON_BAD_SURROGATE, /* unpaired surrogate as \u escape */
		JSON_NUL,			/* \u0000 in a string or key */
		JSON_BAD_ESCAPE,
		JSON_CONTROL,	  /* unescaped control character in a string */
		JSON_OPEN_STRING, /* a string without its closing quote */
		JSON_UNEXPECTED_END,
		JSON_EXPECTED_KEY,
		JSON_EXPECTED_COLON,
		JSON_EXPECTED_VALUE,
		JSON_EXPECTED_COMMA, /* or the closing bracket */
		JSON_BAD_LITERAL,	 /* neither true, false nor null */
		JSON_BAD_NUMBER,
		JSON_TRAILING, /* text after the document */
		JSON_NO_MEMORY
	} JsonFault;

	typedef struct JsonError
	{
		JsonFault fault;
		size_t offset; /* of the byte where it was detected; 0 if not known */
	} JsonError;

	typedef struct JsonReader JsonReader;

	/*
 * Create a reader for these paths, which are copied. NULL if out of memory. Uses malloc: the owner must call
 * json_reader_destroy(). Not thread-safe.
 */
	extern JsonReader *json_reader_create(const JsonPath *paths, int npaths);
	extern void json_reader_destroy(JsonReader *reader);

	/*
 * Read one document, perhaps after a UTF-8 byte order mark, and fill a cell per path. Every byte is checked:
 * whether a document is valid does not depend on the paths. Of members with equal names, the last is used, with
 * everything below it. Cells point into the reader and are valid until the next call or its destruction. False on
 * failure: *error is set, and the cells are undefined.
 */
	extern bool json_read(JsonReader *reader, const char *data, size_t len, JsonCell *cells,
						  JsonError *error);

	/*
 * Iterates over the elements of an array cell, in a document that json_read() accepted. scratch is memory for
 * unescaped strings, of at least the array's raw_len bytes; the elements are valid as long as it and the array's
 * cell.
 */
	typedef struct JsonElements
	{
		const char *next;
		const char *end;
		char *scratch;
	} JsonElements;

	extern void json_elements_begin(JsonElements *elements, const JsonCell *array, char *scratch);
	extern bool json_elements_next(JsonElements *elements, JsonCell *element);

#ifdef __cplusplus
}
#endif

#endif /* STREAMBATCH_JSON_H */
