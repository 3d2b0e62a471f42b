/*
 * layout.h
 *		How the messages of a topic become rows: the columns of a stream, and how values are read for them.
 */
#ifndef STREAMBATCH_LAYOUT_H
#define STREAMBATCH_LAYOUT_H

/* What a metadata column shows of a message. */
typedef enum MessageMeta
{
	META_NONE,		/* an ordinary column: a field of the payload */
	META_PARTITION, /* int4 or int8 */
	META_OFFSET,	/* int8 */
	META_TIMESTAMP, /* timestamptz; NULL where the message has none */
	META_KEY,		/* text or bytea */
	META_HEADERS,	/* jsonb: array of {"key": …, "value": …} */
	META_TOPIC		/* text */
} MessageMeta;

typedef enum MessageFormat
{
	FORMAT_JSON,
	FORMAT_RAW /* one column "value", bytea or text, beside metadata columns */
} MessageFormat;

typedef enum TimeUnit
{
	UNIT_NONE, /* numbers are no timestamps: dead letter */
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
	const char *path;	 /* of the payload field: option, or the column's name as one key */
	bool path_is_option; /* the path was given: dots, [n] and JSON Pointers have meaning */
} MessageColumn;

typedef struct MessageLayout
{
	const char *stream; /* its name, for error messages; */
	const char *table;	/* qualified and quoted, for hints */
	const char *topic;
	MessageFormat format;
	int ncolumns;
	MessageColumn *columns; /* by attnum - 1 */
	const char *time_zone;	/* for timestamps without a zone; default: UTC */
	TimeUnit time_unit;
} MessageLayout;

#endif /* STREAMBATCH_LAYOUT_H */
