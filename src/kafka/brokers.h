/*
 * brokers.h
 *		Checks broker addresses against streambatch.allowed_brokers.
 */
#ifndef STREAMBATCH_BROKERS_H
#define STREAMBATCH_BROKERS_H

/*
 * True if the comma-separated list of patterns (host or host:port, * matches any characters) allows the
 * address. NULL and an empty list allow any address. A pattern without a port allows every port. Does not call
 * PostgreSQL: librdkafka's threads use it too.
 */
extern bool brokers_match(const char *patterns, const char *host, const char *port);

/*
 * The first invalid address in a bootstrap.servers list (palloc'd; "" if the list is empty), or NULL if all
 * are valid.
 */
extern char *brokers_malformed(const char *servers);

/* The first address in a bootstrap.servers list that the patterns do not allow (palloc'd), or NULL. */
extern char *brokers_refused(const char *patterns, const char *servers);

#endif /* STREAMBATCH_BROKERS_H */
