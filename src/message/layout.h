/*
 * layout.h
 *		The layout of messages: the columns of a stream, and how values are converted for them.
 */
#ifndef STREAMBATCH_LAYOUT_H
#define STREAMBATCH_LAYOUT_H

/* The content of a metadata column. */
typedef enum MessageMeta
{
	META_NONE,		/* an ordinary column: a field of the payload */
	META_PARTITION, /* int4 or int8 */
	META_OFFSET,	/* int8 */
	META_TIMESTAMP, /* timestamptz; NULL if the message has none */
	META_KEY,		/* text or bytea */
	META_HEADERS,	/* jsonb: array of {"key": …, "value": …} */
	META_TOPIC		/* text */
} MessageMeta;

typedef enum MessageFormat
{
	FORMAT_JSON,
	FORMAT_RAW /* one bytea or text column for the payload, and metadata columns */
} MessageFormat;

typedef enum TimeUnit
{
	UNIT_NONE, /* numbers are not accepted as timestamps: dead letter */
	UNIT_S,
	UNIT_MS,
	UNIT_US,
	UNIT_NS
} TimeUnit;

typedef struct MessageColumn
{
	bool dropped;
	const char *name;
	Oid type;
	int32 typmod;
	Oid collation;
	MessageMeta meta;
	const char *path;	 /* of the payload field: the option, or the column's name as one key */
	bool path_is_option; /* the option was set: dots, [n] and JSON Pointers are interpreted */
	TimeUnit time_unit;	 /* of numbers in this column; UNIT_NONE: that of the layout */
} MessageColumn;

typedef struct MessageLayout
{
	const char *stream; /* its name, for error messages */
	const char *table;	/* its qualified and quoted name, for hints */
	const char *topic;
	MessageFormat format;
	int ncolumns;
	MessageColumn *columns; /* by attnum - 1 */
	const char *time_zone;	/* for timestamps without a zone; default: UTC */
	TimeUnit time_unit;
} MessageLayout;

#endif /* STREAMBATCH_LAYOUT_H */
