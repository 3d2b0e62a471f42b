/*
 * option_rule.h
 *		What is known of one option of a foreign object: the row of a table of options, and its checks.
 */
#ifndef STREAMBATCH_OPTION_RULE_H
#define STREAMBATCH_OPTION_RULE_H

#include "nodes/pg_list.h"

typedef struct OptionRule OptionRule;

typedef enum OptionPlace
{
	ON_SERVER,
	ON_MAPPING,
	ON_TABLE,
	ON_COLUMN
} OptionPlace;

typedef enum OptionPrivilege
{
	FOR_ALL,
	FOR_FILE_READERS, /* superusers and members of pg_read_server_files */
	FOR_SUPERUSERS,	  /* for the first of values; all may set the others */
} OptionPrivilege;

struct OptionRule
{
	const char *name;
	OptionPlace place;
	void (*check)(const OptionRule *rule,
				  const char *value); /* raises for a bad value; NULL: any but an empty one */
	int clients;					  /* of librdkafka that take it as a property: properties.h */
	const char *values;				  /* for option_check_word() and FOR_SUPERUSERS: "a|b|c" */
	OptionPrivilege privilege;
	bool secret;   /* errors must not repeat its value */
	bool required; /* every object of this kind must have it */
};

/* The value of an option in a list of DefElem, or NULL. Points into the list. */
extern const char *option_value(List *options, const char *name);

/* Raises fdw_invalid_attribute_value for an empty value and where the rule's check raises. */
extern void option_check_value(const OptionRule *rule, const char *value);

/* Raises insufficient_privilege where the role may not set the option to this value. */
extern void option_check_privilege(const OptionRule *rule, const char *value, Oid role);

/* A check for OptionRule: the value is one of rule->values. */
extern void option_check_word(const OptionRule *rule, const char *value);

/* "a|b|c" as "a, b, c", for hints; palloc'd. */
extern char *option_list_words(const char *values);

#endif /* STREAMBATCH_OPTION_RULE_H */
