/*
 * print_sql.c
 *		Queries made of a view's own, as text (see print_sql.h).
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

	/* it comes indented as the definition of a view */
	return text + strspn(text, " ");
}

Query *
sql_select(const ViewDef *def, List *exprs)
{
	Query *query = copyObject(def->query);
	ListCell *lc;

	query->targetList = NIL;
	query->groupClause = NIL;
	query->havingQual = NULL;
	foreach (lc, exprs)
		query->targetList =
			lappend(query->targetList,
					makeTargetEntry(copyObject(lfirst(lc)), foreach_current_index(lc) + 1, NULL, false));
	/* what inherits from the stream is no event of it */
	rt_fetch(def->varno, query->rtable)->inh = false;
	return query;
}
