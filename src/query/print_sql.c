/*
 * print_sql.c
 *		SQL text of queries derived from a view's query (see print_sql.h).
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "parser/parsetree.h"
#include "query/print_sql.h"
#include "utils/ruleutils.h"

char *
sql_print(Query *query)
{
	char *text = pg_get_querydef(query, false);

	/* the text is indented as the definition of a view */
	return text + strspn(text, " ");
}

Query *
sql_select(const ViewDef *def, List *exprs)
{
	Query *query = copyObject(def->query);
	ListCell *lc;

	query->targetList = NIL;
	query->groupClause = NIL;
	query->groupingSets = NIL;
	query->groupDistinct = false;
	query->havingQual = NULL;
	foreach (lc, exprs)
		query->targetList =
			lappend(query->targetList,
					makeTargetEntry(copyObject(lfirst(lc)), foreach_current_index(lc) + 1, NULL, false));
	/* rows of children are not events of the stream */
	rt_fetch(def->varno, query->rtable)->inh = false;
	return query;
}
