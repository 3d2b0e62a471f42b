/*
 * option_rule.c
 *		Checks an option against its rule: its value, and who may set it.
 *
 * The tables of rules are elsewhere, together with the checks that only their own rows need. This file has the
 * checks that any row may use, and their order. No option accepts an empty value; a rule without a check accepts
 * every other value.
 *
 * Example: {"color", ON_SERVER, option_check_word, 0, "red|blue", FOR_SUPERUSERS} lets all roles set 'blue'
 * and superusers set 'red' too; 'green' and '' are errors for everyone.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/defrem.h"
#include "kafka/option_rule.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"

static bool find_word(const char *values, const char *value, size_t *first);

const char *
option_value(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

void
option_check_value(const OptionRule *rule, const char *value)
{
	if (value[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("option \"%s\" must not be empty", rule->name)));
	if (rule->check != NULL)
		rule->check(rule, value);
}

void
option_check_privilege(const OptionRule *rule, const char *value, Oid role)
{
	size_t first = 0;

	if (rule->privilege == FOR_ALL || superuser_arg(role))
		return;
	if (rule->privilege == FOR_FILE_READERS)
	{
		if (has_privs_of_role(role, ROLE_PG_READ_SERVER_FILES))
			return;
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to set option \"%s\"", rule->name),
			 errdetail(
				 "The option reads a file on the database server. Only superusers and members of pg_read_server_files may set it, and the foreign server's owner must be one of them."),
			 errhint("Options whose names end in \".pem\" take the contents of the file instead.")));
	}
	if (!find_word(rule->values, value, &first) || first > 0)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("permission denied to set option \"%s\" to \"%s\"", rule->name, value),
		 errdetail(
			 "This value disables verification of the broker's certificate. Only superusers may set it, and the foreign server's owner must be a superuser.")));
}

void
option_check_word(const OptionRule *rule, const char *value)
{
	if (!find_word(rule->values, value, NULL))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", rule->name, value),
						errhint("Valid values are: %s.", option_list_words(rule->values))));
}

char *
option_list_words(const char *values)
{
	StringInfoData words;

	initStringInfo(&words);
	for (; *values != '\0'; values++)
	{
		if (*values == '|')
			appendStringInfoString(&words, ", ");
		else
			appendStringInfoChar(&words, *values);
	}
	return words.data;
}

/* Whether value is one of "a|b|c"; *first, if not NULL, is set to its position in the string. */
static bool
find_word(const char *values, const char *value, size_t *first)
{
	size_t len = strlen(value);
	const char *start = values;

	for (;;)
	{
		size_t word = strcspn(start, "|");

		if (word == len && strncmp(start, value, len) == 0)
		{
			if (first != NULL)
				*first = start - values;
			return true;
		}
		if (start[word] == '\0')
			return false;
		start += word + 1;
	}
}
