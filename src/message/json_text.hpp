/*
 * json_text.hpp
 *		Lexical elements of JSON: strings, numbers, white space. Private to json.cpp.
 *
 * Functions that scan unchecked text stop at the first unexpected character; a NUL after the document ends every
 * loop.
 */
#ifndef STREAMBATCH_JSON_TEXT_HPP
#define STREAMBATCH_JSON_TEXT_HPP

#include <string.h>

#include "message/json.h"

inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Can this character follow a number or literal? */
inline bool
ends_scalar(char c)
{
	return c == ',' || c == '}' || c == ']' || c == ':' || is_space(c);
}

inline bool
is_digit(char c)
{
	return static_cast<unsigned char>(c - '0') < 10;
}

/* The value of four hexadecimal digits, or -1. Stops at the first other character. */
inline int
hex4(const char *s)
{
	int value = 0;

	for (int i = 0; i < 4; i++)
	{
		char c = s[i];
		int digit;

		if (is_digit(c))
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

inline char *
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80)
		*out++ = static_cast<char>(c);
	else if (c < 0x800)
	{
		*out++ = static_cast<char>(0xc0 | c >> 6);
		*out++ = static_cast<char>(0x80 | (c & 0x3f));
	}
	else if (c < 0x10000)
	{
		*out++ = static_cast<char>(0xe0 | c >> 12);
		*out++ = static_cast<char>(0x80 | (c >> 6 & 0x3f));
		*out++ = static_cast<char>(0x80 | (c & 0x3f));
	}
	else
	{
		*out++ = static_cast<char>(0xf0 | c >> 18);
		*out++ = static_cast<char>(0x80 | (c >> 12 & 0x3f));
		*out++ = static_cast<char>(0x80 | (c >> 6 & 0x3f));
		*out++ = static_cast<char>(0x80 | (c & 0x3f));
	}
	return out;
}

/* Unescape the sequence at *s, after the backslash. Advances both pointers. */
inline JsonFault
unescape_one(const char **s, char **out)
{
	char c = *(*s)++;
	int code;
	int low;

	switch (c)
	{
		case '"':
		case '\\':
		case '/':
			break;
		case 'b':
			c = '\b';
			break;
		case 'f':
			c = '\f';
			break;
		case 'n':
			c = '\n';
			break;
		case 'r':
			c = '\r';
			break;
		case 't':
			c = '\t';
			break;
		case 'u':
			if ((code = hex4(*s)) < 0)
				return JSON_BAD_ESCAPE;
			*s += 4;
			if (code == 0)
				return JSON_NUL;
			if (code >= 0xdc00 && code <= 0xdfff)
				return JSON_BAD_SURROGATE;
			if (code >= 0xd800 && code <= 0xdbff)
			{
				if ((*s)[0] != '\\' || (*s)[1] != 'u')
					return JSON_BAD_SURROGATE;
				low = hex4(*s + 2);
				if (low < 0)
					return JSON_BAD_ESCAPE;
				if (low < 0xdc00 || low > 0xdfff)
					return JSON_BAD_SURROGATE;
				code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
				*s += 6;
			}
			*out = put_utf8(*out, static_cast<uint32_t>(code));
			return JSON_OK;
		default:
			return JSON_BAD_ESCAPE;
	}
	*(*out)++ = c;
	return JSON_OK;
}

/*
 * Unescape the text between two quotes. *out advances by at most end - s, since no escape sequence is shorter
 * than its result. On a fault, *s is the position where it was detected.
 */
inline JsonFault
unescape(const char **s, const char *end, char **out)
{
	for (;;)
	{
		const char *slash = static_cast<const char *>(memchr(*s, '\\', end - *s));
		const char *stop = slash ? slash : end;
		JsonFault fault;

		memcpy(*out, *s, stop - *s);
		*out += stop - *s;
		*s = stop;
		if (!slash)
			return JSON_OK;
		++*s;
		if ((fault = unescape_one(s, out)) != JSON_OK)
			return fault;
	}
}

/* The end of the number that begins at s, or NULL. */
inline const char *
scan_number(const char *s)
{
	if (*s == '-')
		s++;
	if (*s == '0')
		s++;
	else if (is_digit(*s))
		while (is_digit(*s))
			s++;
	else
		return nullptr;
	if (*s == '.')
	{
		if (!is_digit(*++s))
			return nullptr;
		while (is_digit(*s))
			s++;
	}
	if (*s == 'e' || *s == 'E')
	{
		s++;
		if (*s == '+' || *s == '-')
			s++;
		if (!is_digit(*s))
			return nullptr;
		while (is_digit(*s))
			s++;
	}
	return s;
}

/* The following skip valid text, and return the position after it. */

inline const char *
skip_space(const char *s, const char *end)
{
	while (s < end && is_space(*s))
		s++;
	return s;
}

inline const char *
skip_string(const char *s)
{
	while (*++s != '"')
		if (*s == '\\')
			s++;
	return s + 1;
}

inline const char *
skip_container(const char *s)
{
	int depth = 0;

	do
	{
		if (*s == '"')
		{
			s = skip_string(s);
			continue;
		}
		if (*s == '[' || *s == '{')
			depth++;
		else if (*s == ']' || *s == '}')
			depth--;
		s++;
	} while (depth > 0);
	return s;
}

#endif /* STREAMBATCH_JSON_TEXT_HPP */
