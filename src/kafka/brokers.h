/*
 * brokers.h
 *		Which brokers streambatch.allowed_brokers lets the server reach.
 */
#ifndef STREAMBATCH_BROKERS_H
#define STREAMBATCH_BROKERS_H

/*
 * True where the list of patterns (host or host:port, * matching any characters, separated by commas) allows
 * the address. NULL and an empty list allow any. A pattern without a port allows every port. Plain C:
 * librdkafka's threads call it too.
 */
extern bool brokers_match(const char *patterns, const char *host, const char *port);

/*
 * The first item of a list as in bootstrap.servers that is no address (palloc'd; "" where there is none at
 * all), or NULL.
 */
extern char *brokers_malformed(const char *servers);

/* The first address of a list as in bootstrap.servers that the patterns do not allow (palloc'd), or NULL. */
extern char *brokers_refused(const char *patterns, const char *servers);

#endif /* STREAMBATCH_BROKERS_H */
