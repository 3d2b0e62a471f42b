/*
 * options.h
 *		The options of servers, user mappings, foreign tables and columns: one table, its checks, its readers.
 */
#ifndef STREAMBATCH_OPTIONS_H
#define STREAMBATCH_OPTIONS_H

#include "nodes/pg_list.h"

/* For which of librdkafka's clients an option is a property. */
#define OPTION_CONSUMER 0x01
#define OPTION_PRODUCER 0x02

/* The value of an option in a list of DefElem, or NULL. Points into the list. */
extern const char *option_value(List *options, const char *name);

/*
 * The length in microseconds of an interval option: not negative, a day being 24 hours. Raises what is wrong
 * with it.
 */
extern int64 option_interval(const char *name, const char *value);

/*
 * One option as a property of librdkafka: the flags of the clients that take it (0: ours, not a property),
 * and whether its value is secret.
 */
extern int option_property(const char *name, bool *secret);

/*
 * Raises where the role (the server's owner) may not have these options set: asked again at each connection.
 */
extern void options_check_privileges(List *options, Oid role);

/* Raises where bootstrap.servers names a broker that streambatch.allowed_brokers does not. */
extern void options_check_brokers(const char *servers);

#endif /* STREAMBATCH_OPTIONS_H */
