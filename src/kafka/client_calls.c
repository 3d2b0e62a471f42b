/*
 * client_calls.c
 *		Interruptible requests to brokers (see client_calls.h).
 *
 * librdkafka (as of version 2.0) answers requests for topics and offsets only in a thread that blocks, and
 * discards a response that arrives after the timeout. With short timeouts, a distant broker could never respond
 * in time. So each call blocks in a thread of its own, while we wait for our latch or for the result. The thread
 * has all signals blocked, like librdkafka's own threads, and calls nothing but librdkafka.
 *
 * An interrupt abandons the call, and its connection is closed. The client cannot be destroyed while a thread
 * uses it, so that thread destroys it when its timeout ends, at most a few seconds later. Everything it uses is
 * allocated with malloc, not in a memory context.
 */
#include "postgres.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "kafka/client_abort.h"
#include "kafka/client_calls.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

struct ClientCall
{
	rd_kafka_t *rk;
	ClientArgument *argument; /* of rk */
	char *topic;			  /* count its partitions; NULL: look up list */
	rd_kafka_topic_partition_list_t *list;
	int timeout_ms;
	rd_kafka_resp_err_t err;
	int count;
	int fd; /* an eventfd, readable when the call is complete and the thread ends */
	pthread_t thread;
	bool answered; /* protected by lock, like abandoned */
	bool abandoned;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static rd_kafka_resp_err_t make_call(Client *client, ClientCall *call, int timeout_ms);
static void await(Client *client, ClientCall *call);
static void *run(void *arg);
static void get_answer(ClientCall *call);
static rd_kafka_resp_err_t count_partitions(ClientCall *call);
static void free_call(ClientCall *call);

rd_kafka_resp_err_t
client_partition_count(Client *client, const char *topic, int timeout_ms, int *count)
{
	ClientCall *call = calloc(1, sizeof(ClientCall));
	rd_kafka_resp_err_t err;

	*count = -1;
	if (call == NULL || (call->topic = strdup(topic)) == NULL)
	{
		free(call);
		return RD_KAFKA_RESP_ERR__FAIL;
	}
	err = make_call(client, call, timeout_ms);
	*count = call->count;
	free_call(call);
	CHECK_FOR_INTERRUPTS();
	return err;
}

rd_kafka_resp_err_t
client_offsets(Client *client, const char *topic, const int32 *partitions, int64 *offsets, int n,
			   int timeout_ms)
{
	ClientCall *call = calloc(1, sizeof(ClientCall));
	rd_kafka_resp_err_t err;

	if (call == NULL)
		return RD_KAFKA_RESP_ERR__FAIL;
	call->list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(call->list, topic, partitions[i])->offset = offsets[i];
	err = make_call(client, call, timeout_ms);
	for (int i = 0; i < n && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		err = call->list->elems[i].err;
	for (int i = 0; i < n && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		offsets[i] = call->list->elems[i].offset;
	free_call(call);
	CHECK_FOR_INTERRUPTS();
	return err;
}

bool
client_calls_abandon(Client *client)
{
	ClientCall *call = client->call;
	bool answered;

	client->call = NULL;
	if (call == NULL)
		return false;
	pthread_mutex_lock(&lock);
	answered = call->answered;
	call->abandoned = !answered;
	if (!answered)
		client_closing();
	pthread_mutex_unlock(&lock);
	if (!answered)
	{
		pthread_detach(call->thread);
		return true;
	}
	pthread_join(call->thread, NULL);
	free_call(call);
	return false;
}

static rd_kafka_resp_err_t
make_call(Client *client, ClientCall *call, int timeout_ms)
{
	call->rk = client->rk;
	call->argument = client->argument;
	call->timeout_ms = timeout_ms;
	call->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (call->fd >= 0 && client_start_thread(&call->thread, run, call))
		await(client, call);
	else
		get_answer(call); /* no descriptor or thread available: not interruptible */
	return call->err;
}

static void
await(Client *client, ClientCall *call)
{
	bool latch_set = false;

	client->call = call;
	for (;;)
	{
		int rc = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH, call->fd,
								   -1, PG_WAIT_EXTENSION);

		if (rc & WL_SOCKET_READABLE)
			break;
		ResetLatch(MyLatch);
		latch_set = true;
		client_abort_check();
		CHECK_FOR_INTERRUPTS();
	}
	client->call = NULL;
	pthread_join(call->thread, NULL);
	if (latch_set)
		SetLatch(MyLatch);
}

/* The thread of a call. */
static void *
run(void *arg)
{
	ClientCall *call = arg;
	uint64 one = 1;
	bool abandoned;

	get_answer(call);
	pthread_mutex_lock(&lock);
	call->answered = true;
	abandoned = call->abandoned;
	pthread_mutex_unlock(&lock);
	if (!abandoned)
	{
		/* cannot block or fail: the counter is 0 */
		ssize_t written = write(call->fd, &one, sizeof(one));

		(void) written;
		return NULL;
	}
	if (call->list != NULL)
		rd_kafka_topic_partition_list_destroy(call->list);
	call->list = NULL;
	client_destroy(call->rk, call->argument);
	free_call(call);
	return NULL;
}

static void
get_answer(ClientCall *call)
{
	call->err = call->topic != NULL ? count_partitions(call)
									: rd_kafka_offsets_for_times(call->rk, call->list, call->timeout_ms);
}

static rd_kafka_resp_err_t
count_partitions(ClientCall *call)
{
	/* a handle of our own: the owner of the connection may destroy its handle before this runs */
	rd_kafka_topic_t *topic = rd_kafka_topic_new(call->rk, call->topic, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t err;

	call->count = -1;
	if (topic == NULL)
		return rd_kafka_last_error();
	err = rd_kafka_metadata(call->rk, 0, topic, &metadata, call->timeout_ms);
	rd_kafka_topic_destroy(topic);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return err;
	err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
		call->count = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	return err;
}

static void
free_call(ClientCall *call)
{
	free(call->topic);
	if (call->list != NULL)
		rd_kafka_topic_partition_list_destroy(call->list);
	if (call->fd >= 0)
		close(call->fd);
	free(call);
}
