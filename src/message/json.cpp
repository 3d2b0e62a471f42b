/*
 * json.cpp
 *		Reading a JSON document with simdjson (see json.h).
 *
 * simdjson's first stage does the work that vector instructions are good at: it validates UTF-8, finds every
 * string and lists the position of every bracket, colon, comma, opening quote and first character of a number
 * or literal. It is used alone, because what comes after it in the library does not fit: "on demand" checks
 * only what is asked for, and the DOM turns numbers into doubles and forgets their spelling. The second stage
 * here walks the list once, checks the grammar and every string, number and literal, and follows a trie of
 * the wanted paths beside it. A node of the trie that is met twice in a document is a duplicate key: what was
 * found below it is forgotten and read anew.
 *
 * The payload is copied into a buffer with room behind it (keys are hashed eight bytes at a time) and a NUL
 * at its end, which ends every loop: positions never need to be compared with the length. Buffers grow with
 * the payloads; one that a rare large payload needed is given back at the next small one.
 */
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <new>

#include <simdjson.h>

#include "message/json.h"
#include "message/json_text.hpp"
#include "message/json_trie.hpp"

namespace
{
constexpr size_t PADDING = 64;
constexpr size_t KEEP = 1024 * 1024; /* buffers up to this size are kept */
} // namespace

struct JsonReader
{
	JsonTrie trie;
	int npaths = 0;
	uint64_t serial = 0;

	char *buffer = nullptr; /* the document, a NUL, padding */
	size_t capacity = 0;
	char *strings = nullptr; /* unescaped; as large as the document */
	size_t strings_capacity = 0;
	std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;

	/* of the document at hand */
	const uint32_t *at = nullptr;	/* the position where the walk stands */
	const uint32_t *last = nullptr; /* that of the NUL behind the document */
	char *scratch = nullptr;		/* free room in strings */
	bool escapes = false;			/* there is a backslash somewhere */
	JsonCell *cells = nullptr;
	JsonError *error = nullptr;

	~JsonReader();
	bool reserve(size_t len);
	bool structure(size_t len);
	bool fail(JsonFault fault, const char *where);
	bool unexpected(JsonFault fault);
	int meet(int node, int child);
	void forget(int node);
	void fill(int node, JsonKind kind, const char *text, size_t len, const char *raw, size_t raw_len);
	bool string(const char **text, size_t *len, bool keep);
	bool member(int node, int depth);
	bool object(int node, int depth);
	bool array(int node, int depth);
	bool scalar(int node);
	bool value(int node, int depth);
};

JsonReader::~JsonReader()
{
	free(buffer);
	free(strings);
}

bool
JsonReader::fail(JsonFault fault, const char *where)
{
	error->fault = fault;
	error->offset = where ? where - buffer : 0;
	return false;
}

/*
 * What stands at the current position is not what the grammar wants; the document's end has a name of its
 * own.
 */
bool
JsonReader::unexpected(JsonFault fault)
{
	return fail(at == last ? JSON_UNEXPECTED_END : fault, buffer + *at);
}

/* Room for a document, its structure and its unescaped strings. */
bool
JsonReader::reserve(size_t len)
{
	size_t wanted;

	if (len <= capacity && (capacity <= KEEP || len > KEEP))
		return true;
	for (wanted = 4096; wanted < len; wanted *= 2)
		;
	free(buffer);
	free(strings);
	strings = nullptr;
	strings_capacity = 0;
	capacity = 0;
	buffer = static_cast<char *>(malloc(wanted + PADDING));
	if (!buffer)
		return false;
	if (!parser)
	{
		if (simdjson::get_active_implementation()->create_dom_parser_implementation(
				wanted, JSON_MAX_DEPTH, parser) != simdjson::SUCCESS)
			return false;
	}
	else if (parser->set_capacity(wanted) != simdjson::SUCCESS)
		return false;
	capacity = wanted;
	return true;
}

/* simdjson's first stage over the buffer. */
bool
JsonReader::structure(size_t len)
{
	simdjson::error_code code =
		parser->stage1(reinterpret_cast<const uint8_t *>(buffer), len, simdjson::stage1_mode::regular);
	uint32_t n = parser->n_structural_indexes;

	switch (code)
	{
		case simdjson::SUCCESS:
			break;
		case simdjson::EMPTY:
			return fail(JSON_EMPTY, nullptr);
		case simdjson::UTF8_ERROR:
			return fail(JSON_BAD_UTF8, nullptr);
		case simdjson::UNCLOSED_STRING:
			return fail(JSON_OPEN_STRING, nullptr);
		case simdjson::UNESCAPED_CHARS:
			return fail(JSON_CONTROL, nullptr);
		case simdjson::MEMALLOC:
			return fail(JSON_NO_MEMORY, nullptr);
		default:
			return fail(JSON_EXPECTED_VALUE, nullptr);
	}
	/* the walk stops at the NUL behind the document; the library leaves room for three more positions */
	parser->structural_indexes[n] = static_cast<uint32_t>(len);
	at = parser->structural_indexes.get();
	last = at + n;
	return true;
}

/* The value of this child of a node comes next. */
inline int
JsonReader::meet(int node, int child)
{
	if (child != NONE && trie.nodes.items[child].seen != serial)
	{
		trie.nodes.items[child].next_met = trie.nodes.items[node].first_met;
		trie.nodes.items[node].first_met = child;
	}
	return child;
}

/*
 * A key came again: nothing that was found below it counts any more. Costs no more than finding it did, so
 * that a document made of nothing but duplicates takes no longer than others.
 */
void
JsonReader::forget(int node)
{
	for (int t = trie.nodes.items[node].first_target; t != NONE; t = trie.targets.items[t].next)
		cells[trie.targets.items[t].cell].kind = JSON_MISSING;
	for (int child = trie.nodes.items[node].first_met; child != NONE;
		 child = trie.nodes.items[child].next_met)
	{
		forget(child);
		trie.nodes.items[child].seen = 0;
	}
}

inline void
JsonReader::fill(int node, JsonKind kind, const char *text, size_t len, const char *raw, size_t raw_len)
{
	for (int t = trie.nodes.items[node].first_target; t != NONE; t = trie.targets.items[t].next)
	{
		JsonCell *cell = &cells[trie.targets.items[t].cell];

		cell->kind = kind;
		cell->text = text;
		cell->len = len;
		cell->raw = raw;
		cell->raw_len = raw_len;
	}
}

/*
 * The string at the current position: checked, and unescaped where it has to be. Its closing quote is the
 * last character before the next position that is no white space. keep: the text must outlive the next
 * string.
 */
inline bool
JsonReader::string(const char **text, size_t *len, bool keep)
{
	const char *start = buffer + *at + 1;
	const char *end = buffer + *++at;
	char *out = scratch;
	JsonFault fault;

	while (is_space(end[-1]))
		end--;
	end--;
	if (end < start || *end != '"')
		return fail(JSON_OPEN_STRING, start - 1);
	*text = start;
	*len = end - start;
	if (!escapes || !memchr(start, '\\', end - start))
		return true;
	if ((fault = unescape(&start, end, &out)) != JSON_FINE)
		return fail(fault, start);
	*text = scratch;
	*len = out - scratch;
	if (keep)
		scratch = out;
	return true;
}

/* A key, a colon and a value. */
inline bool
JsonReader::member(int node, int depth)
{
	const char *key = nullptr;
	size_t len = 0;
	int child = NONE;

	if (buffer[*at] != '"')
		return unexpected(JSON_EXPECTED_KEY);
	if (!string(&key, &len, false))
		return false;
	if (buffer[*at] != ':')
		return unexpected(JSON_EXPECTED_COLON);
	at++;
	if (node != NONE && trie.nodes.items[node].has_keys)
		child = meet(node, trie.find_key(node, key, len));
	return value(child, depth);
}

bool
JsonReader::object(int node, int depth)
{
	if (depth > JSON_MAX_DEPTH)
		return fail(JSON_TOO_DEEP, buffer + *at);
	at++;
	if (buffer[*at] == '}')
	{
		at++;
		return true;
	}
	for (;;)
	{
		if (!member(node, depth))
			return false;
		if (buffer[*at] == '}')
			break;
		if (buffer[*at] != ',')
			return unexpected(JSON_EXPECTED_COMMA);
		at++;
	}
	at++;
	return true;
}

bool
JsonReader::array(int node, int depth)
{
	int64_t wanted = node == NONE ? -1 : trie.nodes.items[node].max_index;

	if (depth > JSON_MAX_DEPTH)
		return fail(JSON_TOO_DEEP, buffer + *at);
	at++;
	if (buffer[*at] == ']')
	{
		at++;
		return true;
	}
	for (int64_t i = 0;; i++)
	{
		if (!value(i <= wanted ? meet(node, trie.find_index(node, static_cast<uint32_t>(i))) : NONE, depth))
			return false;
		if (buffer[*at] == ']')
			break;
		if (buffer[*at] != ',')
			return unexpected(JSON_EXPECTED_COMMA);
		at++;
	}
	at++;
	return true;
}

/* A number or literal. */
inline bool
JsonReader::scalar(int node)
{
	const char *start = buffer + *at;
	const char *end = nullptr;
	JsonKind kind;

	switch (*start)
	{
		case 't':
		case 'f':
			kind = JSON_BOOL;
			if (memcmp(start, "true", 4) == 0)
				end = start + 4;
			else if (memcmp(start, "false", 5) == 0)
				end = start + 5;
			break;
		case 'n':
			kind = JSON_NULL;
			if (memcmp(start, "null", 4) == 0)
				end = start + 4;
			break;
		case '-':
		case '0':
		case '1':
		case '2':
		case '3':
		case '4':
		case '5':
		case '6':
		case '7':
		case '8':
		case '9':
			kind = JSON_NUMBER;
			end = scan_number(start);
			break;
		default:
			return unexpected(JSON_EXPECTED_VALUE);
	}
	/* what follows is white space, a bracket, colon or comma, or the document's end */
	if (!end || !(ends_scalar(*end) || (at + 1 == last && end == buffer + *last)))
		return fail(kind == JSON_NUMBER ? JSON_BAD_NUMBER : JSON_BAD_LITERAL, start);
	if (end - start > JSON_MAX_NUMBER)
		return fail(JSON_NUMBER_TOO_LONG, start);
	at++;
	if (node != NONE)
		fill(node, kind, start, end - start, start, end - start);
	return true;
}

/* Any value; depth is that of what holds it. */
bool
JsonReader::value(int node, int depth)
{
	const char *start = buffer + *at;
	const char *text = nullptr;
	size_t len = 0;

	if (node != NONE)
	{
		if (trie.nodes.items[node].seen == serial)
			forget(node);
		trie.nodes.items[node].seen = serial;
		trie.nodes.items[node].first_met = NONE;
	}
	switch (*start)
	{
		case '"':
		{
			const char *raw_end;

			if (!string(&text, &len, node != NONE))
				return false;
			if (node == NONE)
				return true;
			for (raw_end = buffer + *at; is_space(raw_end[-1]); raw_end--)
				;
			fill(node, JSON_STRING, text, len, start, raw_end - start);
			return true;
		}
		case '{':
			if (!object(node, depth + 1))
				return false;
			break;
		case '[':
			if (!array(node, depth + 1))
				return false;
			break;
		default:
			return scalar(node);
	}
	if (node != NONE)
	{
		len = buffer + at[-1] + 1 - start;
		fill(node, *start == '{' ? JSON_OBJECT : JSON_ARRAY, start, len, start, len);
	}
	return true;
}

/* ---- for C ---- */

extern "C" JsonReader *
json_reader_create(const JsonPath *paths, int npaths)
{
	JsonReader *reader = new (std::nothrow) JsonReader();

	if (reader && !reader->trie.build(paths, npaths))
	{
		delete reader;
		return nullptr;
	}
	if (reader)
		reader->npaths = npaths;
	return reader;
}

extern "C" void
json_reader_destroy(JsonReader *reader)
{
	delete reader;
}

extern "C" bool
json_read(JsonReader *reader, const char *data, size_t len, JsonCell *cells, JsonError *error)
{
	char *buffer;
	bool is_object;

	reader->cells = cells;
	reader->error = error;
	reader->serial++;
	for (int i = 0; i < reader->npaths; i++)
		cells[i].kind = JSON_MISSING;

	if (len == 0)
		return reader->fail(JSON_EMPTY, nullptr);
	if (len > JSON_MAX_PAYLOAD)
		return reader->fail(JSON_TOO_LONG, nullptr);
	if (!reader->reserve(len))
		return reader->fail(JSON_NO_MEMORY, nullptr);
	buffer = reader->buffer;
	memcpy(buffer, data, len);
	memset(buffer + len, 0, PADDING);
	if (!reader->structure(len))
		return false;

	reader->escapes = memchr(buffer, '\\', len) != nullptr;
	if (reader->escapes && reader->strings_capacity < reader->capacity)
	{
		free(reader->strings);
		reader->strings = static_cast<char *>(malloc(reader->capacity + PADDING));
		reader->strings_capacity = reader->strings ? reader->capacity : 0;
		if (!reader->strings)
			return reader->fail(JSON_NO_MEMORY, nullptr);
	}
	reader->scratch = reader->strings;

	is_object = buffer[*reader->at] == '{';
	if (!reader->value(is_object ? 0 : NONE, 0))
		return false;
	if (reader->at != reader->last)
		return reader->fail(JSON_TRAILING, buffer + *reader->at);
	if (!is_object)
		return reader->fail(JSON_NOT_OBJECT, buffer);
	return true;
}

extern "C" void
json_elements_begin(JsonElements *elements, const JsonCell *array, char *scratch)
{
	elements->next = array->raw + 1;
	elements->end = array->raw + array->raw_len - 1;
	elements->scratch = scratch;
}

extern "C" bool
json_elements_next(JsonElements *elements, JsonCell *element)
{
	const char *s = skip_space(elements->next, elements->end);
	const char *start = s;

	if (s == elements->end)
		return false;
	switch (*s)
	{
		case '"':
			element->kind = JSON_STRING;
			s = skip_string(s);
			break;
		case '[':
			element->kind = JSON_ARRAY;
			s = skip_container(s);
			break;
		case '{':
			element->kind = JSON_OBJECT;
			s = skip_container(s);
			break;
		default:
			element->kind = *s == 'n' ? JSON_NULL : *s == 't' || *s == 'f' ? JSON_BOOL : JSON_NUMBER;
			while (s < elements->end && !ends_scalar(*s))
				s++;
	}
	element->raw = element->text = start;
	element->raw_len = element->len = s - start;
	if (element->kind == JSON_STRING)
	{
		char *out = elements->scratch;

		start++;
		element->text = out;
		(void) unescape(&start, s - 1, &out);
		element->len = out - elements->scratch;
		elements->scratch = out;
	}
	s = skip_space(s, elements->end);
	elements->next = s < elements->end ? s + 1 : s;
	return true;
}
