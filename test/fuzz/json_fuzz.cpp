/*
 * json_fuzz.cpp
 *		A fuzzer for json.cpp, alone.
 *
 * Every input is read by json.cpp, with every implementation of simdjson that the machine can run, and by a
 * plain recursive parser that follows the rules of json.h by their letter. They must agree on whether it is a
 * document, and on every cell; a reader without paths must agree on the first; and the elements of array
 * cells must be the parser's. The input lies in a block of exactly its size, so that reading past it is
 * noticed by the address sanitizer.
 *
 * With libFuzzer (make fuzz) inputs come from it. Compiled with -DSTANDALONE it makes its own from a seed:
 * json_fuzz_random SEED COUNT.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "message/json.h"

namespace
{

/* ---- the plain parser ---- */

struct Value
{
	JsonKind kind = JSON_MISSING;
	std::string text;
	std::string raw;
	std::vector<std::pair<std::string, Value>> members;
	std::vector<Value> elements;
};

class Parser
{
  public:
	Parser(const uint8_t *data, size_t len) : s(data), begin(data), end(data + len)
	{
	}

	bool
	document(Value *value)
	{
		if (!valid_utf8())
			return false;
		s = begin;
		word("\xef\xbb\xbf");
		space();
		if (!parse(value, 0))
			return false;
		space();
		return s == end && value->kind == JSON_OBJECT;
	}

  private:
	const uint8_t *s;
	const uint8_t *begin;
	const uint8_t *end;

	/* Unicode's table 3-7 */
	bool
	valid_utf8()
	{
		for (s = begin; s < end;)
		{
			size_t n = *s < 0x80				  ? 1
					   : *s >= 0xc2 && *s <= 0xdf ? 2
					   : (*s & 0xf0) == 0xe0	  ? 3
					   : *s >= 0xf0 && *s <= 0xf4 ? 4
												  : 0;

			if (n == 0 || static_cast<size_t>(end - s) < n)
				return false;
			for (size_t i = 1; i < n; i++)
				if ((s[i] & 0xc0) != 0x80)
					return false;
			if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
				(*s == 0xf4 && s[1] > 0x8f))
				return false;
			s += n;
		}
		return true;
	}

	void
	space()
	{
		while (s < end && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r'))
			s++;
	}

	bool
	take(char c)
	{
		space();
		if (s == end || *s != static_cast<uint8_t>(c))
			return false;
		s++;
		return true;
	}

	bool
	word(const char *w)
	{
		size_t n = strlen(w);

		if (static_cast<size_t>(end - s) < n || memcmp(s, w, n) != 0)
			return false;
		s += n;
		return true;
	}

	bool
	parse(Value *value, int depth)
	{
		space();
		if (s == end)
			return false;

		const uint8_t *start = s;
		bool ok;

		switch (*s)
		{
			case '{':
				value->kind = JSON_OBJECT;
				ok = object(value, depth + 1);
				break;
			case '[':
				value->kind = JSON_ARRAY;
				ok = array(value, depth + 1);
				break;
			case '"':
				value->kind = JSON_STRING;
				ok = string(&value->text);
				break;
			case 't':
			case 'f':
				value->kind = JSON_BOOL;
				ok = word(*s == 't' ? "true" : "false");
				break;
			case 'n':
				value->kind = JSON_NULL;
				ok = word("null");
				break;
			default:
				value->kind = JSON_NUMBER;
				ok = number() && s - start <= JSON_MAX_NUMBER;
		}
		value->raw.assign(start, s);
		if (value->kind != JSON_STRING)
			value->text = value->raw;
		return ok;
	}

	bool
	object(Value *value, int depth)
	{
		s++;
		if (depth > JSON_MAX_DEPTH)
			return false;
		if (take('}'))
			return true;
		do
		{
			std::string key;
			Value member;

			space();
			if (s == end || *s != '"' || !string(&key) || !take(':') || !parse(&member, depth))
				return false;
			value->members.emplace_back(std::move(key), std::move(member));
		} while (take(','));
		return take('}');
	}

	bool
	array(Value *value, int depth)
	{
		s++;
		if (depth > JSON_MAX_DEPTH)
			return false;
		if (take(']'))
			return true;
		do
		{
			Value element;

			if (!parse(&element, depth))
				return false;
			value->elements.push_back(std::move(element));
		} while (take(','));
		return take(']');
	}

	bool
	digits()
	{
		const uint8_t *start = s;

		while (s < end && *s >= '0' && *s <= '9')
			s++;
		return s > start;
	}

	bool
	number()
	{
		if (s < end && *s == '-')
			s++;
		if (s < end && *s == '0')
			s++;
		else if (!digits())
			return false;
		if (s < end && *s == '.')
		{
			s++;
			if (!digits())
				return false;
		}
		if (s < end && (*s == 'e' || *s == 'E'))
		{
			s++;
			if (s < end && (*s == '+' || *s == '-'))
				s++;
			if (!digits())
				return false;
		}
		return true;
	}

	bool
	hex(unsigned *code)
	{
		*code = 0;
		for (int i = 0; i < 4; i++, s++)
		{
			static const char digits[] = "0123456789abcdef";
			const char *digit = s < end && *s ? strchr(digits, *s | 0x20) : nullptr;

			if (!digit || (*s < '0') || (*s > '9' && *s < 'A'))
				return false;
			*code = *code * 16 + static_cast<unsigned>(digit - digits);
		}
		return true;
	}

	bool
	string(std::string *text)
	{
		static const char names[] = "\"\\/bfnrt";
		static const char meanings[] = "\"\\/\b\f\n\r\t";

		for (s++; s < end && *s != '"';)
		{
			if (*s < 0x20)
				return false;
			if (*s != '\\')
			{
				text->push_back(static_cast<char>(*s++));
				continue;
			}
			if (++s == end)
				return false;
			if (*s != 'u')
			{
				const char *name = *s ? strchr(names, *s) : nullptr;

				if (!name)
					return false;
				text->push_back(meanings[name - names]);
				s++;
				continue;
			}

			unsigned code;
			unsigned low;

			s++;
			if (!hex(&code) || code == 0 || (code >= 0xdc00 && code < 0xe000))
				return false;
			if (code >= 0xd800 && code < 0xdc00)
			{
				if (!word("\\u") || !hex(&low) || low < 0xdc00 || low >= 0xe000)
					return false;
				code = 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
			}
			if (code < 0x80)
				text->push_back(static_cast<char>(code));
			else
			{
				int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;

				text->push_back(static_cast<char>((0xff00 >> (more + 1)) | (code >> (6 * more))));
				while (more-- > 0)
					text->push_back(static_cast<char>(0x80 | (code >> (6 * more) & 0x3f)));
			}
		}
		if (s == end)
			return false;
		s++;
		return true;
	}
};

const Value *
follow(const Value *value, const std::vector<JsonStep> &path)
{
	for (const JsonStep &step : path)
	{
		const Value *next = nullptr;

		if (value->kind == JSON_OBJECT && step.kind != JSON_STEP_INDEX)
		{
			for (const auto &member : value->members)
				if (member.first == std::string(step.key, step.key_len))
					next = &member.second;
		}
		else if (value->kind == JSON_ARRAY && step.kind != JSON_STEP_KEY &&
				 step.index < value->elements.size())
			next = &value->elements[step.index];
		if (!next)
			return nullptr;
		value = next;
	}
	return value;
}

/* ---- the comparison ---- */

JsonStep
key(const char *k)
{
	return JsonStep{JSON_STEP_KEY, k, strlen(k), 0};
}

JsonStep
index(uint32_t i)
{
	return JsonStep{JSON_STEP_INDEX, nullptr, 0, i};
}

JsonStep
either(const char *k)
{
	return JsonStep{JSON_STEP_EITHER, k, strlen(k), static_cast<uint32_t>(atoi(k))};
}

const std::vector<std::vector<JsonStep>> paths = {{key("a")},
												  {key("b")},
												  {key("a"), key("b")},
												  {key("a"), index(0)},
												  {key("a"), index(1), key("b")},
												  {key("a"), either("0")},
												  {either("0"), either("1"), key("a")},
												  {key("")},
												  {key("a.b")},
												  {key("a")},
												  {key("long name of a key")},
												  {key("long name"), index(2), index(2)},
												  {key("a"), key("a"), key("a")},
												  {key("b"), index(7)},
												  {key("\xc3\xa9")},
												  {key("12345678")},
												  {key("a"), key("b"), key("c")}};

struct Readers
{
	const simdjson::implementation *implementation;
	JsonReader *reader; /* of all paths */
	JsonReader *plain;	/* of none */
};

void
broken(const char *what, const Readers &readers)
{
	fprintf(stderr, "%s (%s)\n", what, readers.implementation->name().c_str());
	abort();
}

/* One pair of readers for each implementation. */
struct AllReaders
{
	std::vector<Readers> list;

	AllReaders();
	~AllReaders()
	{
		for (const Readers &readers : list)
		{
			json_reader_destroy(readers.reader);
			json_reader_destroy(readers.plain);
		}
	}
};

AllReaders::AllReaders()
{
	std::vector<JsonPath> wanted;

	for (const auto &path : paths)
		wanted.push_back(JsonPath{path.data(), static_cast<int>(path.size())});
	for (auto implementation : simdjson::get_available_implementations())
		if (implementation->supported_by_runtime_system())
		{
			simdjson::get_active_implementation() = implementation;
			list.push_back(Readers{implementation,
								   json_reader_create(wanted.data(), static_cast<int>(wanted.size())),
								   json_reader_create(nullptr, 0)});
		}
}

void
compare_elements(const Value &value, const JsonCell &cell, const Readers &readers)
{
	std::unique_ptr<char[]> scratch(new char[cell.raw_len]);
	JsonElements elements;
	JsonCell element;
	size_t n = 0;

	json_elements_begin(&elements, &cell, scratch.get());
	for (; json_elements_next(&elements, &element); n++)
	{
		if (n >= value.elements.size())
			broken("too many elements", readers);
		if (element.kind != value.elements[n].kind ||
			std::string(element.text, element.len) != value.elements[n].text ||
			std::string(element.raw, element.raw_len) != value.elements[n].raw)
			broken("another element", readers);
		if (element.kind == JSON_ARRAY)
			compare_elements(value.elements[n], element, readers);
	}
	if (n != value.elements.size())
		broken("too few elements", readers);
}

void
compare(const Readers &readers, const char *data, size_t len, bool valid, const Value &root)
{
	std::vector<JsonCell> cells(paths.size());
	JsonError error;

	if (json_read(readers.reader, data, len, cells.data(), &error) != valid)
		broken(valid ? "refused a document" : "accepted what is no document", readers);
	if (json_read(readers.plain, data, len, nullptr, &error) != valid)
		broken("the paths made a difference", readers);
	for (size_t i = 0; valid && i < paths.size(); i++)
	{
		const Value *value = follow(&root, paths[i]);

		if (cells[i].kind != (value ? value->kind : JSON_MISSING))
			broken("another kind of value", readers);
		if (value && (std::string(cells[i].text, cells[i].len) != value->text ||
					  std::string(cells[i].raw, cells[i].raw_len) != value->raw))
			broken("another value", readers);
		if (value && value->kind == JSON_ARRAY)
			compare_elements(*value, cells[i], readers);
	}
}

} /* namespace */

extern "C" int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const AllReaders all;
	std::unique_ptr<char[]> exact(new char[len ? len : 1]);
	Value root;
	bool valid = Parser(data, len).document(&root);

	if (len > 0)
		memcpy(exact.get(), data, len);
	for (const Readers &readers : all.list)
		compare(readers, exact.get(), len, valid, root);
	return 0;
}

#ifdef STANDALONE

namespace
{

uint64_t state;

uint32_t
random_below(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return static_cast<uint32_t>((state >> 33) % n);
}

const char *const tokens[] = {"{",
							  "}",
							  "[",
							  "]",
							  ":",
							  ",",
							  "\"",
							  "\\",
							  "\"a\"",
							  "\"b\"",
							  "\"a\":",
							  "\"b\":",
							  "\"a.b\":",
							  "\"\":",
							  "\"0\":",
							  "\"1\":",
							  "\"\\u0061\":",
							  "{\"a\":",
							  "{\"b\":",
							  "[[",
							  "]]",
							  "null",
							  "true",
							  "false",
							  "0",
							  "-1",
							  "1.5",
							  "1e3",
							  "-0.0",
							  "01",
							  "1.",
							  "1e",
							  "12345678901234567890",
							  "\\u0000",
							  "\\ud83d\\ude00",
							  "\\ud83d",
							  "\\ude00",
							  "\\u00e9",
							  "\\n",
							  "\\x",
							  "\xc3\xa9",
							  "\xc3",
							  "\xed\xa0\x80",
							  "\xf0\x9f\x98\x80",
							  "\xef\xbb\xbf",
							  " ",
							  "\t",
							  "\n",
							  "\r",
							  "\f",
							  "\x1a",
							  "\"long name of a key\":",
							  "\"12345678\":",
							  "  \"x\"  "};

/* A document, mostly. */
void
grow(std::string *out, int depth)
{
	static const char *const scalars[] = {"null", "true", "false", "0", "-1.5E+10", "12345678901234567890"};

	switch (random_below(depth > 6 ? 5 : 8))
	{
		case 0:
			*out += std::to_string(static_cast<int32_t>(random_below(2000000)) - 1000000);
			break;
		case 1:
			*out += "\"text \\u00e9 \\\"quoted\\\" \xe2\x82\xac\"";
			break;
		case 2:
			*out += scalars[random_below(6)];
			break;
		case 3:
			*out += "\"\"";
			break;
		case 4:
			*out += "1.25e-7";
			break;
		case 5:
			*out += "[";
			for (uint32_t i = 0, n = random_below(4); i < n; i++)
			{
				*out += i ? "," : "";
				grow(out, depth + 1);
			}
			*out += "]";
			break;
		default:
			*out += "{";
			for (uint32_t i = 0, n = random_below(5); i < n; i++)
			{
				static const char *const keys[] = {"a",		  "b", "0", "1",		"a.b",
												   "\\u0061", "",  "c", "12345678", "long name"};

				*out += i ? ", \"" : "\"";
				*out += keys[random_below(10)];
				*out += "\":";
				grow(out, depth + 1);
			}
			*out += "}";
	}
}

void
mutate(std::string *text)
{
	size_t at = text->empty() ? 0 : random_below(static_cast<uint32_t>(text->size()));

	switch (random_below(6))
	{
		case 0:
			text->insert(at, tokens[random_below(sizeof(tokens) / sizeof(tokens[0]))]);
			break;
		case 1:
			text->erase(at, 1 + random_below(4));
			break;
		case 2:
			if (!text->empty())
				(*text)[at] = static_cast<char>(random_below(256));
			break;
		case 3:
			text->insert(at, text->substr(random_below(static_cast<uint32_t>(at + 1)), random_below(40)));
			break;
		case 4:
			text->resize(at);
			break;
		default:
			text->insert(at, std::string(random_below(80), " [{"[random_below(3)]));
	}
}

} /* namespace */

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
	long count = argc > 2 ? atol(argv[2]) : 100000;
	long valid = 0;

	printf("# seed %llu, %ld inputs\n", static_cast<unsigned long long>(seed), count);
	for (long i = 0; i < count; i++)
	{
		std::string text = "{\"a\":";
		Value root;

		state = seed * 1000003 + static_cast<uint64_t>(i);
		random_below(2);
		grow(&text, 0);
		text += ",\"b\":";
		grow(&text, 0);
		text += "}";
		for (uint32_t m = random_below(4); m > 0; m--)
			mutate(&text);
		if (random_below(8) == 0)
			text.insert(0, "\xef\xbb\xbf");
		LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(text.data()), text.size());
		valid += Parser(reinterpret_cast<const uint8_t *>(text.data()), text.size()).document(&root);
	}
	printf("# %ld of them were documents; all readers agree\n", valid);
	return 0;
}

#endif
