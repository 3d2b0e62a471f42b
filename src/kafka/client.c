/*
 * client.c
 *		Creating and destroying librdkafka clients (see client.h).
 *
 * librdkafka's threads must neither call PostgreSQL nor run its signal handlers. They are created with all
 * signals blocked, because threads inherit the signal mask.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>

#include "kafka/client.h"

ClientArgument *
client_argument(void *owner, const char *allowed_brokers)
{
	ClientArgument *argument =
		malloc(offsetof(ClientArgument, allowed_brokers) + strlen(allowed_brokers) + 1);

	if (argument == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	argument->owner = owner;
	strcpy(argument->allowed_brokers, allowed_brokers);
	return argument;
}

void
client_create(Client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf, ClientArgument *argument)
{
	char errstr[512];
	sigset_t all;
	sigset_t before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	client->rk = rd_kafka_new(type, conf, errstr, sizeof(errstr));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (client->rk == NULL)
	{
		rd_kafka_conf_destroy(conf);
		free(argument);
		ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
						errmsg("could not create a Kafka client from the stream's options"),
						errdetail("librdkafka: %s", errstr)));
	}
	client->argument = argument;
	client->call = NULL;
}

void
client_destroy(rd_kafka_t *rk, ClientArgument *argument)
{
	rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	free(argument);
}
