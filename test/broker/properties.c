/*
 * properties.c
 *		What librdkafka says of its properties: one a line, as a table of Markdown (name, whose, range, default,
 *		importance, description), aliases included.
 */
#include <stdio.h>

#include <librdkafka/rdkafka.h>

int
main(void)
{
	rd_kafka_conf_properties_show(stdout);
	return 0;
}
