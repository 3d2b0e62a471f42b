/*
 * metadata_watch.h
 *		Counts the metadata requests that librdkafka sends besides the periodic ones. Private to kafka/.
 */
#ifndef STREAMBATCH_METADATA_WATCH_H
#define STREAMBATCH_METADATA_WATCH_H

#include <librdkafka/rdkafka.h>

#include "port/atomics.h"

typedef struct MetadataWatch
{
	pg_atomic_uint64 last;	  /* time of the last request: milliseconds of a monotonic clock */
	pg_atomic_uint64 overdue; /* periodic requests that may have been held up before it, and follow at once */
	pg_atomic_uint64 irregular; /* number of requests that were not periodic */
} MetadataWatch;

/* Watch a client to be created with this configuration. The watch must exist until the client is destroyed. */
extern void metadata_watch_add(MetadataWatch *watch, rd_kafka_conf_t *conf);

#endif /* STREAMBATCH_METADATA_WATCH_H */
