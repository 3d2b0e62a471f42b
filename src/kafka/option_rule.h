/*
 * option_rule.h
 *		The rule for one option of a foreign object: a row of a table of options, and its checks.
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
				  const char *value); /* raises an error for an invalid value; NULL: any non-empty value */
	int clients;					  /* librdkafka clients that use it as a property: properties.h */
	const char *values;				  /* for option_check_word() and FOR_SUPERUSERS: "a|b|c" */
	OptionPrivilege privilege;
	bool secret;   /* errors must not repeat its value */
	bool required; /* every object of this kind must have it */
};

/* The value of an option in a list of DefElem, or NULL. Points into the list. */
extern const char *option_value(List *options, const char *name);

/* Raises fdw_invalid_attribute_value for an empty value or if the check of the rule fails. */
extern void option_check_value(const OptionRule *rule, const char *value);

/* Raises insufficient_privilege if the role may not set the option to this value. */
extern void option_check_privilege(const OptionRule *rule, const char *value, Oid role);

/* A check for OptionRule: the value must be one of rule->values. */
extern void option_check_word(const OptionRule *rule, const char *value);

/* "a|b|c" as "a, b, c", for hints; palloc'd. */
extern char *option_list_words(const char *values);

#endif /* STREAMBATCH_OPTION_RULE_H */
