/*
 * client.c
 *		Creating and destroying librdkafka clients (see client.h).
 *
 * librdkafka's threads must neither call PostgreSQL nor run its signal handlers. They are created with all
 * signals blocked, because threads inherit the signal mask; SIGABRT alone is unblocked (client_abort.c).
 *
 * rd_kafka_destroy() waits for these threads, and one of them may be in getaddrinfo(), which nothing can interrupt,
 * for as long as a name server does not answer. So a thread of its own destroys a client; we wait for it
 * CLOSE_WAIT_MS, enough to make the usual case orderly, and then continue without it. It touches nothing but
 * librdkafka and malloc'ed memory, and ends with the call that it waits for.
 *
 * If such threads are left at process exit, the process must not run exit()'s handlers, which clean up libraries
 * that the threads use, such as OpenSSL: a crash there would restart the whole server. PostgreSQL's own callbacks
 * have been run by then, as proc_exit() runs them before it calls exit(). So an exit handler of ours, registered
 * after those of the libraries and so called before them, ends the process with _exit().
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "kafka/client.h"
#include "kafka/client_abort.h"

#define CLOSE_WAIT_MS 400

typedef struct Closing
{
	rd_kafka_t *rk;
	ClientArgument *argument;
	bool done; /* protected by lock, like left */
	bool left; /* nobody waits: the thread frees this */
} Closing;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended; /* initialized with the first client, since it uses the monotonic clock */
static int nclosing = 0;	 /* clients being destroyed, or about to be; protected by lock */
static bool exiting = false;
static int exit_code = 0;

static void init_once(void);
static void *destroy(void *arg);
static bool await(const bool *done);
static void leave(void);

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

	client_abort_catch(conf);
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
	init_once();
	client->argument = argument;
	client->call = NULL;
}

void
client_close(rd_kafka_t *rk, ClientArgument *argument)
{
	Closing *closing;
	pthread_t thread;
	bool left;

	client_closing();
	/* it stays as it is, until the process exits */
	if (client_aborted())
		return;
	closing = calloc(1, sizeof(Closing));
	if (closing != NULL)
		*closing = (Closing){.rk = rk, .argument = argument};
	if (closing == NULL || !client_start_thread(&thread, destroy, closing))
	{
		client_destroy(rk, argument);
		free(closing);
		return;
	}
	pthread_detach(thread);
	pthread_mutex_lock(&lock);
	/* at exit, client_exit() waits for all of them at once */
	left = closing->left = exiting || !await(&closing->done);
	pthread_mutex_unlock(&lock);
	if (!left)
		free(closing);
}

void
client_closing(void)
{
	pthread_mutex_lock(&lock);
	nclosing++;
	pthread_mutex_unlock(&lock);
}

void
client_destroy(rd_kafka_t *rk, ClientArgument *argument)
{
	rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	free(argument);
	pthread_mutex_lock(&lock);
	nclosing--;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
}

bool
client_start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t all;
	sigset_t before;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0;
}

void
client_exiting(void)
{
	exiting = true;
}

void
client_exit(int code)
{
	exit_code = code;
	pthread_mutex_lock(&lock);
	if (nclosing > 0 && !client_aborted())
		(void) await(NULL);
	pthread_mutex_unlock(&lock);
}

static void
init_once(void)
{
	static bool done = false;
	pthread_condattr_t attributes;

	if (done)
		return;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&ended, &attributes);
	pthread_condattr_destroy(&attributes);
	/* here, since the first client has initialized the libraries that register handlers */
	atexit(leave);
	done = true;
}

/* The thread that destroys a client. */
static void *
destroy(void *arg)
{
	Closing *closing = arg;
	bool left;

	client_destroy(closing->rk, closing->argument);
	pthread_mutex_lock(&lock);
	closing->done = true;
	left = closing->left;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	if (left)
		free(closing);
	return NULL;
}

/* Wait CLOSE_WAIT_MS at most, until *done, or, if NULL, until no client is being destroyed. Lock held. */
static bool
await(const bool *done)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += CLOSE_WAIT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (rc == 0 && !(done != NULL ? *done : nclosing == 0))
		rc = pthread_cond_timedwait(&ended, &lock, &until);
	return done != NULL ? *done : nclosing == 0;
}

/* An exit handler. If client_exit() has not been called, this is not the end of a backend in proc_exit(). */
static void
leave(void)
{
	bool left;

	pthread_mutex_lock(&lock);
	left = nclosing > 0;
	pthread_mutex_unlock(&lock);
	if (exiting && left)
		_exit(exit_code);
}
