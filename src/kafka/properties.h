/*
 * properties.h
 *		Which properties of librdkafka servers and user mappings may set, and to what.
 */
#ifndef STREAMBATCH_PROPERTIES_H
#define STREAMBATCH_PROPERTIES_H

#include "kafka/option_rule.h"
#include "nodes/pg_list.h"

/* Which of librdkafka's clients take a property: OptionRule's clients. */
#define PROPERTY_CONSUMER 0x01
#define PROPERTY_PRODUCER 0x02

/* The rules one by one, from 0; NULL after the last. */
extern const OptionRule *property_rule(int i);

/* The clients that take the property, 0 where it is none that may be set, and whether its value is secret. */
extern int property_clients(const char *name, bool *secret);

/* Raises fdw_invalid_option_name, with the reason, for a property that can never be set. */
extern void property_check_refused(const char *name);

/* Raises where a server's options exclude each other or lack one that another needs. */
extern void properties_check_together(List *options);

/*
 * Raises insufficient_privilege where the role (the server's owner) may not have these options set: asked
 * again at each connection.
 */
extern void properties_check_privileges(List *options, Oid role);

/* Raises insufficient_privilege where bootstrap.servers names a broker that streambatch.allowed_brokers does not. */
extern void properties_check_brokers(const char *servers);

#endif /* STREAMBATCH_PROPERTIES_H */
