/*
 * json.cpp
 *		Reads a JSON document with simdjson (see json.h).
 *
 * simdjson's first stage uses vector instructions to validate UTF-8, find all strings, and list the positions of
 * every bracket, colon, comma, opening quote and first character of a number or literal. Its later stages are not
 * used: "on demand" checks only the requested values, and the DOM converts numbers to double and loses their
 * spelling. The second stage here walks the list once, checks the grammar and every string, number and literal,
 * and follows a trie of the requested paths. If a node of the trie is visited twice in a document, the key is a
 * duplicate: what was found below the node is discarded and read again.
 *
 * A byte order mark before the document is skipped, as RFC 8259 allows: some producers write one.
 *
 * The payload is copied into a buffer with padding (keys are hashed eight bytes at a time) and a terminating NUL,
 * which ends every loop, so that positions need not be compared with the length. Buffers grow with the payloads;
 * after a large payload, they are freed at the next small one.
 */
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <new>
#include <string_view>

#include <simdjson.h>

#include "message/json.h"
#include "message/json_text.hpp"
#include "message/json_trie.hpp"

namespace
{
constexpr size_t PADDING = 64;
constexpr std::string_view BOM = "\xef\xbb\xbf"; /* UTF-8 byte order mark */
constexpr size_t MAX_KEPT = 1024 * 1024;		 /* buffers up to this size are kept */
} // namespace

struct JsonReader
{
	JsonTrie trie;
	int npaths = 0;
	uint64_t serial = 0;

	char *buffer = nullptr; /* the document, a NUL, padding */
	size_t capacity = 0;
	size_t mark = 0;		 /* length of the byte order mark before it */
	char *strings = nullptr; /* unescaped; as large as the document */
	size_t strings_capacity = 0;
	std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;

	/* of the current document */
	const uint32_t *at = nullptr;	/* the current position */
	const uint32_t *last = nullptr; /* the position of the NUL after the document */
	char *scratch = nullptr;		/* free space in strings */
	bool escapes = false;			/* the document contains a backslash */
	JsonCell *cells = nullptr;
	JsonError *error = nullptr;

	~JsonReader();
	bool reserve(size_t len);
	bool structure(size_t len);
	bool fail(JsonFault fault, const char *where);
	bool unexpected(JsonFault fault);
	int visit(int node, int child);
	void discard(int node);
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
	error->offset = where > buffer ? where - buffer + mark : 0;
	return false;
}

/* The current position does not match the grammar; the end of the document has its own fault. */
bool
JsonReader::unexpected(JsonFault fault)
{
	return fail(at == last ? JSON_UNEXPECTED_END : fault, buffer + *at);
}

/* Allocate memory for a document, its structure and its unescaped strings. */
bool
JsonReader::reserve(size_t len)
{
	size_t wanted;

	if (len <= capacity && (capacity <= MAX_KEPT || len > MAX_KEPT))
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

/* Run simdjson's first stage over the buffer. */
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
	/* the walk ends at the NUL after the document; the library reserves space for three more positions */
	parser->structural_indexes[n] = static_cast<uint32_t>(len);
	at = parser->structural_indexes.get();
	last = at + n;
	return true;
}

/* Record that this child of a node is visited next. */
inline int
JsonReader::visit(int node, int child)
{
	if (child != NONE && trie.nodes.items[child].seen != serial)
	{
		trie.nodes.items[child].next_visited = trie.nodes.items[node].first_visited;
		trie.nodes.items[node].first_visited = child;
	}
	return child;
}

/*
 * Discard everything found below a duplicate key. Takes no longer than finding it did, so that a document with
 * many duplicates takes no longer than others.
 */
void
JsonReader::discard(int node)
{
	for (int t = trie.nodes.items[node].first_target; t != NONE; t = trie.targets.items[t].next)
		cells[trie.targets.items[t].cell].kind = JSON_MISSING;
	for (int child = trie.nodes.items[node].first_visited; child != NONE;
		 child = trie.nodes.items[child].next_visited)
	{
		discard(child);
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
 * Check the string at the current position, and unescape it if necessary. Its closing quote is the last non-space
 * character before the next position. keep: the text must outlive the next string.
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
	if ((fault = unescape(&start, end, &out)) != JSON_OK)
		return fail(fault, start);
	*text = scratch;
	*len = out - scratch;
	if (keep)
		scratch = out;
	return true;
}

/* Read a key, a colon and a value. */
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
		child = visit(node, trie.find_key(node, key, len));
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
		if (!value(i <= wanted ? visit(node, trie.find_index(node, static_cast<uint32_t>(i))) : NONE, depth))
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

/* Read a number or literal. */
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
	/* it must be followed by white space, a bracket, colon or comma, or the document's end */
	if (!end || !(ends_scalar(*end) || (at + 1 == last && end == buffer + *last)))
		return fail(kind == JSON_NUMBER ? JSON_BAD_NUMBER : JSON_BAD_LITERAL, start);
	if (end - start > JSON_MAX_NUMBER)
		return fail(JSON_NUMBER_TOO_LONG, start);
	at++;
	if (node != NONE)
		fill(node, kind, start, end - start, start, end - start);
	return true;
}

/* Read any value; depth is that of the enclosing object or array. */
bool
JsonReader::value(int node, int depth)
{
	const char *start = buffer + *at;
	const char *text = nullptr;
	size_t len = 0;

	if (node != NONE)
	{
		if (trie.nodes.items[node].seen == serial)
			discard(node);
		trie.nodes.items[node].seen = serial;
		trie.nodes.items[node].first_visited = NONE;
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

/* ---- C interface ---- */

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

	reader->mark = len >= BOM.size() && BOM.compare(0, BOM.size(), data, BOM.size()) == 0 ? BOM.size() : 0;
	data += reader->mark;
	len -= reader->mark;
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
