/*
 * failing_row.c
 *		Finding the event that makes a computation fail (see failing_row.h).
 *
 * The rows of the statement are read one by one. streambatch._mark_row() records the position of each before
 * its expressions are evaluated, so when an error is raised, the last position is that of the failing event.
 *
 * The function's first argument, of type internal, points to the Mark to write. SQL cannot pass such a value:
 * a parser hook replaces parameter $11 by the call.
 */
#include "postgres.h"

#include "batch/failing_row.h"
#include "catalog/pg_type.h"
#include "common/export.h"
#include "common/subtransaction.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "stream/stream.h"

#define MARK_PARAMETER 11

/* The row that is evaluated. */
typedef struct Mark
{
	bool at_row;	   /* a row has been marked */
	bool has_position; /* an archive may have rows without a position */
	int32 partition;
	int64 offset;
} Mark;

/* The statement whose rows are read, and the last row that was evaluated. */
typedef struct Reading
{
	const Computation *c;
	const char *cut;
	PaneSet panes;
	const BatchParameters *parameters;
	ParamListInfo list;
	Mark mark;
} Reading;

static void read_rows(void *arg);
static void setup_parser(ParseState *pstate, void *reading);
static Node *resolve_parameter(ParseState *pstate, ParamRef *ref);
static Node *mark_call(ParseState *pstate, Reading *reading);
static Node *position_column(ParseState *pstate, const char *name, Oid type);

STREAMBATCH_FUNCTION(streambatch_mark_row);

/* streambatch._mark_row(mark, partition, offset): true */
Datum
streambatch_mark_row(PG_FUNCTION_ARGS)
{
	Mark *mark;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	mark = (Mark *) PG_GETARG_POINTER(0);
	mark->at_row = true;
	mark->has_position = !PG_ARGISNULL(1) && !PG_ARGISNULL(2);
	if (mark->has_position)
	{
		mark->partition = PG_GETARG_INT32(1);
		mark->offset = PG_GETARG_INT64(2);
	}
	PG_RETURN_BOOL(true);
}

void
failing_row_find(const Computation *c, const char *cut, PaneSet panes, const BatchParameters *parameters,
				 ErrorData *error)
{
	Reading reading = {c, cut, panes, parameters};
	const Mark *mark = &reading.mark;
	ErrorData *found;

	/* where they have no positions, it cannot be named */
	if (c->source.partition == NULL)
		return;
	found = subtransaction_run(read_rows, &reading, CurrentMemoryContext);
	if (found != NULL && ERRCODE_TO_CATEGORY(found->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(found);
	/* if no row raises an error by itself, the aggregate does; and reading may fail for other reasons */
	if (found == NULL || ERRCODE_TO_CATEGORY(found->sqlerrcode) != ERRCODE_DATA_EXCEPTION || !mark->at_row)
		return;
	error->detail = mark->has_position
						? psprintf("The error is raised for the event at partition %d, offset %lld in %s %s.",
								   mark->partition, (long long) mark->offset,
								   c->source.log ? "the log of stream" : "archive", c->source.relation)
						: psprintf("The error is raised for an event without a position in archive %s.",
								   c->source.relation);
	error->hint = c->source.log ? "Change the expression in the view's query to avoid the error: use CALL "
								  "streambatch.rebuild() with another query."
								: "Change the expression in the view's query to avoid the error, or delete "
								  "the event from the archive.";
}

static void
read_rows(void *arg)
{
	Reading *reading = arg;
	const Computation *c = reading->c;
	SPIExecuteOptions options = {.read_only = true, .dest = None_Receiver};
	Guard guard;

	batch_statement_begin(&guard, c);
	reading->list = batch_statement_parameters(c, reading->parameters);
	reading->list->parserSetup = setup_parser;
	reading->list->parserSetupArg = reading;
	options.params = reading->list;
	(void) SPI_execute_extended(sql_compute_rows(c->def, &c->source, reading->cut, reading->panes), &options);
	batch_statement_end(&guard);
}

static void
setup_parser(ParseState *pstate, void *reading)
{
	pstate->p_paramref_hook = resolve_parameter;
	pstate->p_ref_hook_state = reading;
}

static Node *
resolve_parameter(ParseState *pstate, ParamRef *ref)
{
	Reading *reading = pstate->p_ref_hook_state;
	Param *param;

	if (ref->number == MARK_PARAMETER)
		return mark_call(pstate, reading);
	Assert(ref->number <= reading->list->numParams);
	param = makeNode(Param);
	param->paramkind = PARAM_EXTERN;
	param->paramid = ref->number;
	param->paramtype = reading->list->params[ref->number - 1].ptype;
	param->paramtypmod = -1;
	param->location = ref->location;
	return (Node *) param;
}

/* The condition that marks a row of the archive. */
static Node *
mark_call(ParseState *pstate, Reading *reading)
{
	Oid types[] = {INTERNALOID, INT4OID, INT8OID};
	List *name = list_make2(makeString("streambatch"), makeString("_mark_row"));
	Const *mark =
		makeConst(INTERNALOID, -1, InvalidOid, sizeof(Datum), PointerGetDatum(&reading->mark), false, true);
	const char *partition;
	const char *offset;

	stream_position_columns(stream_open(reading->c->view.stream), &partition, &offset);
	return (Node *) makeFuncExpr(LookupFuncName(name, lengthof(types), types, false), BOOLOID,
								 list_make3(mark, position_column(pstate, partition, types[1]),
											position_column(pstate, offset, types[2])),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static Node *
position_column(ParseState *pstate, const char *name, Oid type)
{
	Node *column = colNameToVar(pstate, name, true, -1);

	return coerce_to_target_type(pstate, column, exprType(column), type, -1, COERCION_IMPLICIT,
								 COERCE_IMPLICIT_CAST, -1);
}
