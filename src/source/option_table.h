/*
 * option_table.h
 *		What is known of an option, for options.c and option_values.c.
 */
#ifndef STREAMBATCH_OPTION_TABLE_H
#define STREAMBATCH_OPTION_TABLE_H

typedef enum OptionPlace
{
	ON_SERVER,
	ON_MAPPING,
	ON_TABLE,
	ON_COLUMN
} OptionPlace;

typedef enum OptionKind
{
	KIND_TEXT,	   /* not empty */
	KIND_PROPERTY, /* whatever librdkafka takes */
	KIND_SIZE,	   /* likewise, in bytes, and at most MAX_SIZE: it bounds the server's memory */
	KIND_ENUM,	   /* one of values, separated by | */
	KIND_INTERVAL,
	KIND_BROKERS,
	KIND_PATH,
	KIND_TOPIC,
	KIND_TABLE,
	KIND_ZONE
} OptionKind;

typedef enum OptionPrivilege
{
	FOR_ALL,
	FOR_FILE_READERS, /* superusers and members of pg_read_server_files */
	FOR_SUPERUSERS,	  /* for the first of values; all may set the others */
} OptionPrivilege;

typedef struct KnownOption
{
	const char *name;
	OptionPlace place;
	OptionKind kind;
	int clients; /* OPTION_CONSUMER, OPTION_PRODUCER: a property of theirs */
	const char *values;
	OptionPrivilege privilege;
	bool secret;
} KnownOption;

/* Raises where the value is none for the option. */
extern void option_check_value(const KnownOption *option, const char *value);

/* Whether value is one of "a|b|c", and, where wanted, at which position of the string it begins. */
extern bool option_in_values(const char *values, const char *value, size_t *first);

/* "a|b|c" as "a, b, c". */
extern char *option_values_as_words(const char *values);

#endif /* STREAMBATCH_OPTION_TABLE_H */
