/*
 * json.h
 *		One JSON document: checked from end to end, and the fields that columns ask for.
 *
 * A C header before a C++ file that knows nothing of PostgreSQL: no exceptions, no palloc, no ereport, so
 * that no longjmp ever crosses it and a fuzzer can run it alone. All text is UTF-8.
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
#define JSON_MAX_DEPTH 64	  /* objects and arrays inside each other; the document itself is the first */
#define JSON_MAX_NUMBER 16384 /* characters of a number */
#define JSON_MAX_STEPS JSON_MAX_DEPTH /* of a path */
#define JSON_MAX_EITHER 6			  /* steps of one path that may be index or key */

	/* One step of a path into a document. */
	typedef enum JsonStepKind
	{
		JSON_STEP_KEY,	 /* a member of an object */
		JSON_STEP_INDEX, /* an element of an array, from 0 */
		JSON_STEP_EITHER /* a JSON Pointer's digits: the document decides which */
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

	/* What a path leads to. */
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
		const char *text; /* a string unescaped, anything else as it is spelled; not NUL-terminated */
		size_t len;
		const char *raw; /* as it is spelled, strings with their quotes */
		size_t raw_len;
	} JsonCell;

	/* Why a document was refused. */
	typedef enum JsonFault
	{
		JSON_FINE,
		JSON_EMPTY,		 /* nothing but white space */
		JSON_NOT_OBJECT, /* valid so far, but the root is something else */
		JSON_TOO_LONG,
		JSON_TOO_DEEP,
		JSON_NUMBER_TOO_LONG,
		JSON_BAD_UTF8,
		JSON_BAD_SURROGATE, /* half of a surrogate pair as \u escape */
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
		JSON_TRAILING, /* something after the document */
		JSON_NO_MEMORY
	} JsonFault;

	typedef struct JsonError
	{
		JsonFault fault;
		size_t offset; /* of the byte where it was noticed; 0 where that is not known */
	} JsonError;

	typedef struct JsonReader JsonReader;

	/*
 * A reader for these paths, which are copied. NULL where memory is short. Uses malloc: the caller hooks
 * json_reader_destroy to what owns the reader. Not for use by two threads at once.
 */
	extern JsonReader *json_reader_create(const JsonPath *paths, int npaths);
	extern void json_reader_destroy(JsonReader *reader);

	/*
 * Read one document and fill a cell per path. Every byte is checked, asked for or not: what is accepted does
 * not depend on the paths. Of members with equal names the last counts, with all that is below it. Cells
 * point into the reader and live until it reads again or is destroyed. False: *error says why, the cells mean
 * nothing.
 */
	extern bool json_read(JsonReader *reader, const char *data, size_t len, JsonCell *cells,
						  JsonError *error);

	/*
 * The elements of an array cell, one by one, in a document that json_read accepted. scratch holds unescaped
 * strings and must have room for the array's raw_len bytes; the elements live as long as it and the array's
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
