/*
 * group_store.c
 *		Groups on their way from the query that computes them into a state table (see group_store.h).
 */
#include "postgres.h"

#include "batch/group_store.h"
#include "batch/pane_statistics.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

struct GroupStore
{
	DestReceiver pub;
	DestReceiver *receiver; /* that of the tuplestore */
	MemoryContext context;
	Tuplestorestate *rows;
	TupleDesc desc;
	BatchRowReceiver see; /* NULL: nobody */
	void *arg;
};

static void start_rows(DestReceiver *self, int operation, TupleDesc desc);
static bool receive_row(TupleTableSlot *slot, DestReceiver *self);
static void end_rows(DestReceiver *self);
static void destroy(DestReceiver *self);

GroupStore *
group_store_compute(const Computation *c, const char *sql, const BatchParameters *parameters,
					BatchRowReceiver see, void *arg)
{
	GroupStore *groups = palloc0(sizeof(GroupStore));

	groups->pub = (DestReceiver){receive_row, start_rows, end_rows, destroy, DestTuplestore};
	groups->context = CurrentMemoryContext;
	groups->see = see;
	groups->arg = arg;
	groups->rows = tuplestore_begin_heap(false, false, work_mem);
	groups->receiver = CreateDestReceiver(DestTuplestore);
	/* with whole values: when the query has ended, VACUUM may remove what the archive keeps out of line */
	SetTuplestoreDestReceiverParams(groups->receiver, groups->rows, groups->context, true, NULL, NULL);
	pane_statistics_begin(c, parameters);
	PG_TRY();
	{
		batch_statement_send(c, sql, parameters, &groups->pub);
	}
	PG_FINALLY();
	{
		pane_statistics_end();
	}
	PG_END_TRY();
	return groups;
}

uint64
group_store_insert(GroupStore *groups, const Computation *c, const char *sql,
				   const BatchParameters *parameters)
{
	EphemeralNamedRelationData relation = {.md = {.name = GROUP_STORE,
												  .reliddesc = InvalidOid,
												  .tupdesc = groups->desc,
												  .enrtype = ENR_NAMED_TUPLESTORE,
												  .enrtuples = tuplestore_tuple_count(groups->rows)},
										   .reldata = groups->rows};
	uint64 rows;
	int rc = SPI_register_relation(&relation);

	if (rc < 0)
		elog(ERROR, "could not register the groups: %s", SPI_result_code_string(rc));
	rows = batch_statement_execute(c, sql, parameters, false);
	(void) SPI_unregister_relation(GROUP_STORE);
	tuplestore_end(groups->rows);
	return rows;
}

static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
	GroupStore *groups = (GroupStore *) self;
	MemoryContext old = MemoryContextSwitchTo(groups->context);

	groups->desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
	groups->receiver->rStartup(groups->receiver, operation, desc);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	GroupStore *groups = (GroupStore *) self;

	if (groups->see != NULL)
		groups->see(slot, groups->arg);
	return groups->receiver->receiveSlot(slot, groups->receiver);
}

static void
end_rows(DestReceiver *self)
{
	DestReceiver *receiver = ((GroupStore *) self)->receiver;

	receiver->rShutdown(receiver);
}

static void
destroy(DestReceiver *self)
{
}
