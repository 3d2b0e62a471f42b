/*
 * brokers.c
 *		Checks broker addresses against streambatch.allowed_brokers.
 *
 * The setting is checked three times: against bootstrap.servers when a server is created and when a connection
 * is opened, and against every address that librdkafka resolves, because brokers advertise further addresses.
 *
 * Example: 'kafka-*.example.com:9092, localhost' allows kafka-1.example.com on port 9092 and localhost on any
 * port.
 */
#include "postgres.h"

#include <ctype.h>

#include "kafka/brokers.h"

#define SEPARATORS ", \t\n"

static void split_address(char *address, char **host, char **port);
static bool is_port(const char *port);
static bool pattern_match(const char *pattern, const char *end, const char *host, const char *port);
static bool glob_match(const char *pattern, const char *end, const char *text);

bool
brokers_match(const char *patterns, const char *host, const char *port)
{
	const char *start = patterns;

	if (patterns == NULL || patterns[strspn(patterns, " \t,")] == '\0')
		return true;
	while (*start != '\0')
	{
		const char *next = start + strcspn(start, ",");
		const char *end = next;

		while (start < end && isspace((unsigned char) *start))
			start++;
		while (end > start && isspace((unsigned char) end[-1]))
			end--;
		if (end > start && pattern_match(start, end, host, port))
			return true;
		start = *next == ',' ? next + 1 : next;
	}
	return false;
}

char *
brokers_malformed(const char *servers)
{
	char *copy = pstrdup(servers);
	char *state = NULL;
	char *item;
	bool any = false;

	for (item = strtok_r(copy, SEPARATORS, &state); item != NULL; item = strtok_r(NULL, SEPARATORS, &state))
	{
		char *shown = pstrdup(item);
		const char *scheme = strstr(item, "://");
		bool path = strchr(scheme != NULL ? scheme + 3 : item, '/') != NULL;
		char *host;
		char *port;

		split_address(item, &host, &port);
		if (path || host[0] == '\0' || !is_port(port))
			return shown;
		any = true;
	}
	return any ? NULL : pstrdup("");
}

char *
brokers_refused(const char *patterns, const char *servers)
{
	char *copy = pstrdup(servers);
	char *state = NULL;
	char *item;

	for (item = strtok_r(copy, SEPARATORS, &state); item != NULL; item = strtok_r(NULL, SEPARATORS, &state))
	{
		char *shown = pstrdup(item);
		char *host;
		char *port;

		split_address(item, &host, &port);
		if (!brokers_match(patterns, host, port))
			return shown;
	}
	return NULL;
}

/*
 * Split "protocol://host:port" or "[v6]:port" as librdkafka does: several colons without brackets are an
 * IPv6 address without a port; what follows a slash is ignored. Without a port, *port is librdkafka's default.
 */
static void
split_address(char *address, char **host, char **port)
{
	char *scheme = strstr(address, "://");
	char *colon;

	*host = scheme != NULL ? scheme + 3 : address;
	*port = "9092";
	(*host)[strcspn(*host, "/")] = '\0';
	if (**host == '[' && strchr(*host, ']') != NULL)
	{
		char *bracket = strchr(*host, ']');

		(*host)++;
		*bracket = '\0';
		if (bracket[1] != '\0')
			*port = bracket + (bracket[1] == ':' ? 2 : 0); /* "" if no port follows */
		return;
	}
	colon = strchr(*host, ':');
	if (colon != NULL && strchr(colon + 1, ':') == NULL)
	{
		*colon = '\0';
		*port = colon + 1;
	}
}

static bool
is_port(const char *port)
{
	size_t len = strspn(port, "0123456789");

	return port[len] == '\0' && len > 0 && len <= 5 && atoi(port) >= 1 && atoi(port) <= 65535;
}

static bool
pattern_match(const char *pattern, const char *end, const char *host, const char *port)
{
	const char *close = memchr(pattern, ']', end - pattern);
	const char *colon = memchr(pattern, ':', end - pattern);

	/* an IPv6 address with a port is in brackets; without brackets, several colons are an IPv6 address */
	if (*pattern == '[' && close != NULL)
	{
		if (close + 1 < end && (close[1] != ':' || !glob_match(close + 2, end, port)))
			return false;
		return glob_match(pattern + 1, close, host);
	}
	if (colon != NULL && memchr(colon + 1, ':', end - colon - 1) != NULL)
		colon = NULL;
	if (colon != NULL && !glob_match(colon + 1, end, port))
		return false;
	return glob_match(pattern, colon != NULL ? colon : end, host);
}

/*
 * Case-insensitive; * matches any run of characters. Where the rest does not match, the latest * takes one character
 * more: what an earlier one took need not be tried again.
 */
static bool
glob_match(const char *pattern, const char *end, const char *text)
{
	const char *star = NULL;
	const char *taken = NULL;

	while (*text != '\0')
	{
		if (pattern < end && *pattern == '*')
		{
			star = ++pattern;
			taken = text;
		}
		else if (pattern < end && tolower((unsigned char) *pattern) == tolower((unsigned char) *text))
		{
			pattern++;
			text++;
		}
		else if (star != NULL)
		{
			pattern = star;
			text = ++taken;
		}
		else
			return false;
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}
