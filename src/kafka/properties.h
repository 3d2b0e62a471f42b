/*
 * properties.h
 *		The librdkafka properties that servers and user mappings can set, and their allowed values.
 */
#ifndef STREAMBATCH_PROPERTIES_H
#define STREAMBATCH_PROPERTIES_H

#include "kafka/option_rule.h"
#include "nodes/pg_list.h"

/* The librdkafka clients that use a property: the field clients of OptionRule. */
#define PROPERTY_CONSUMER 0x01
#define PROPERTY_PRODUCER 0x02

/* The rules one by one, from 0; NULL after the last. */
extern const OptionRule *property_rule(int i);

/* The clients that use the property, 0 if it is not an allowed property, and whether its value is secret. */
extern int property_clients(const char *name, bool *secret);

/* Raises fdw_invalid_option_name, with the reason, for a property in the list of refused ones. */
extern void property_check_refused(const char *name);

/* Raises an error if options of a server are mutually exclusive or one requires another that is not set. */
extern void properties_check_combinations(List *options);

/*
 * Raises insufficient_privilege if the role (the server's owner) may not set these options. Checked again for
 * each connection.
 */
extern void properties_check_privileges(List *options, Oid role);

/* Raises insufficient_privilege if streambatch.allowed_brokers does not allow a broker in the list. */
extern void properties_check_brokers(const char *servers);

/*
 * The options of the user mapping of the role, or else of PUBLIC, or else NIL: a stream without secrets needs
 * no user mapping.
 */
extern List *properties_of_mapping(Oid role, Oid serverid);

#endif /* STREAMBATCH_PROPERTIES_H */
