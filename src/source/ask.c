/*
 * ask.c
 *		Questions to brokers that can be interrupted (see ask.h).
 *
 * librdkafka, as of version 2.0, answers questions about topics and offsets only to a thread that blocks, and
 * drops an answer that comes after the timeout: asked with short timeouts, a broker that is far away would
 * never be heard. So a thread of its own blocks for each question, with all signals blocked as librdkafka's
 * own threads have them, and calls nothing but librdkafka, while we wait for our latch or for the answer.
 *
 * An interrupt leaves the question unanswered, and its connection is closed, which must not be while a thread
 * asks: then that thread destroys the client when its timeout is over, a few seconds later at most. All that it
 * uses is outside of PostgreSQL's memory. A process that exits waits for such threads.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "miscadmin.h"
#include "source/ask.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

struct Question
{
	rd_kafka_t *rk;
	ClientArgument *argument; /* of rk */
	char *topic;			  /* whose partitions are to be counted, or else: */
	rd_kafka_topic_partition_list_t *list;
	int timeout_ms;
	rd_kafka_resp_err_t err;
	int count;
	int fd; /* an eventfd, readable when there is an answer, which ends the thread */
	pthread_t thread;
	bool answered; /* these two under the lock */
	bool left;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int nleft = 0; /* questions that nobody waits for any more, under the lock */

static rd_kafka_resp_err_t ask(Connection *connection, Question *question, int timeout_ms);
static bool start(Question *question);
static void await(Connection *connection, Question *question);
static void *run(void *arg);
static void get_answer(Question *question);
static rd_kafka_resp_err_t count_partitions(Question *question);
static void free_question(Question *question);

rd_kafka_resp_err_t
ask_partition_count(Connection *connection, const char *topic, int timeout_ms, int *count)
{
	Question *question = calloc(1, sizeof(Question));
	rd_kafka_resp_err_t err;

	*count = -1;
	if (question == NULL || (question->topic = strdup(topic)) == NULL)
	{
		free(question);
		return RD_KAFKA_RESP_ERR__FAIL;
	}
	err = ask(connection, question, timeout_ms);
	*count = question->count;
	free_question(question);
	CHECK_FOR_INTERRUPTS();
	return err;
}

rd_kafka_resp_err_t
ask_offsets(Connection *connection, const char *topic, const int32 *partitions, int64 *offsets, int n,
			int timeout_ms)
{
	Question *question = calloc(1, sizeof(Question));
	rd_kafka_resp_err_t err;

	if (question == NULL)
		return RD_KAFKA_RESP_ERR__FAIL;
	question->list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(question->list, topic, partitions[i])->offset = offsets[i];
	err = ask(connection, question, timeout_ms);
	for (int i = 0; i < n && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		err = question->list->elems[i].err;
	for (int i = 0; i < n && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		offsets[i] = question->list->elems[i].offset;
	free_question(question);
	CHECK_FOR_INTERRUPTS();
	return err;
}

bool
ask_leave(Connection *connection)
{
	Question *question = connection->question;
	bool answered;

	connection->question = NULL;
	if (question == NULL)
		return false;
	pthread_mutex_lock(&lock);
	answered = question->answered;
	question->left = !answered;
	if (!answered)
		nleft++;
	pthread_mutex_unlock(&lock);
	if (!answered)
	{
		pthread_detach(question->thread);
		return true;
	}
	pthread_join(question->thread, NULL);
	free_question(question);
	return false;
}

void
ask_wait_for_left(void)
{
	pthread_mutex_lock(&lock);
	while (nleft > 0)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
}

static rd_kafka_resp_err_t
ask(Connection *connection, Question *question, int timeout_ms)
{
	question->rk = connection->rk;
	question->argument = connection->argument;
	question->timeout_ms = timeout_ms;
	question->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (question->fd >= 0 && start(question))
		await(connection, question);
	else
		get_answer(question); /* short of descriptors or threads: without interrupts, then */
	return question->err;
}

static bool
start(Question *question)
{
	sigset_t all;
	sigset_t before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&question->thread, NULL, run, question);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0;
}

static void
await(Connection *connection, Question *question)
{
	bool latch_set = false;

	connection->question = question;
	for (;;)
	{
		int rc = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH,
								   question->fd, -1, PG_WAIT_EXTENSION);

		if (rc & WL_SOCKET_READABLE)
			break;
		ResetLatch(MyLatch);
		latch_set = true;
		CHECK_FOR_INTERRUPTS();
	}
	connection->question = NULL;
	pthread_join(question->thread, NULL);
	if (latch_set)
		SetLatch(MyLatch);
}

/* The thread of a question. */
static void *
run(void *arg)
{
	Question *question = arg;
	uint64 one = 1;
	bool left;

	get_answer(question);
	pthread_mutex_lock(&lock);
	question->answered = true;
	left = question->left;
	pthread_mutex_unlock(&lock);
	if (!left)
	{
		/* an eventfd that has just been made takes it */
		ssize_t written = write(question->fd, &one, sizeof(one));

		(void) written;
		return NULL;
	}
	client_destroy(question->rk, question->argument);
	free_question(question);
	pthread_mutex_lock(&lock);
	nleft--;
	pthread_cond_signal(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void
get_answer(Question *question)
{
	question->err = question->topic != NULL
						? count_partitions(question)
						: rd_kafka_offsets_for_times(question->rk, question->list, question->timeout_ms);
}

static rd_kafka_resp_err_t
count_partitions(Question *question)
{
	/* a handle of our own: that of the connection's owner may be gone before this has begun */
	rd_kafka_topic_t *topic = rd_kafka_topic_new(question->rk, question->topic, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t err;

	question->count = -1;
	if (topic == NULL)
		return rd_kafka_last_error();
	err = rd_kafka_metadata(question->rk, 0, topic, &metadata, question->timeout_ms);
	rd_kafka_topic_destroy(topic);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return err;
	err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
		question->count = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	return err;
}

static void
free_question(Question *question)
{
	free(question->topic);
	if (question->list != NULL)
		rd_kafka_topic_partition_list_destroy(question->list);
	if (question->fd >= 0)
		close(question->fd);
	free(question);
}
