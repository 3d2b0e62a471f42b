/*
 * rule_parts.c
 *		Building blocks of the rules for aggregates (see rule_parts.h).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "aggregate/rule_parts.h"
#include "catalog/pg_collation.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static char *collation_name(Oid collation);

void
rule_refuse(const char *what, const char *reason, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s cannot be used in a hybrid view", what),
			 errdetail("%s", reason), errhint("%s", hint)));
}

Expr *
rule_show_casts(const Expr *arg)
{
	Node *node = copyObject((Node *) arg);

	switch (nodeTag(node))
	{
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST)
				((FuncExpr *) node)->funcformat = COERCE_EXPLICIT_CAST;
			break;
		case T_RelabelType:
			((RelabelType *) node)->relabelformat = COERCE_EXPLICIT_CAST;
			break;
		case T_CoerceViaIO:
			((CoerceViaIO *) node)->coerceformat = COERCE_EXPLICIT_CAST;
			break;
		case T_ArrayCoerceExpr:
			((ArrayCoerceExpr *) node)->coerceformat = COERCE_EXPLICIT_CAST;
			break;
		case T_ConvertRowtypeExpr:
			((ConvertRowtypeExpr *) node)->convertformat = COERCE_EXPLICIT_CAST;
			break;
		case T_RowExpr:
			if (((RowExpr *) node)->row_format == COERCE_IMPLICIT_CAST)
				((RowExpr *) node)->row_format = COERCE_EXPLICIT_CAST;
			break;
		case T_CoerceToDomain:
			((CoerceToDomain *) node)->coercionformat = COERCE_EXPLICIT_CAST;
			break;
		default:
			break;
	}
	return (Expr *) node;
}

void
rule_add_argument(Aggref *call, Expr *arg, Oid type)
{
	call->args = lappend(call->args, makeTargetEntry(arg, list_length(call->args) + 1, NULL, false));
	call->aggargtypes = lappend_oid(call->aggargtypes, type);
}

void
rule_append_literally(StringInfo format, const char *text)
{
	for (; *text != '\0'; text++)
	{
		appendStringInfoString(format, *text == '%' ? "%" : "");
		appendStringInfoChar(format, *text);
	}
}

void
rule_append_null(StringInfo format, Oid type, Oid collation)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "NULL::%s",
					 format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(collation))
		appendStringInfo(&buf, " COLLATE %s", collation_name(collation));
	rule_append_literally(format, buf.data);
}

static char *
collation_name(Oid collation)
{
	HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	Form_pg_collation form;
	char *result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", collation);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	result = quote_qualified_identifier(get_namespace_name(form->collnamespace), NameStr(form->collname));
	ReleaseSysCache(tuple);
	return result;
}
