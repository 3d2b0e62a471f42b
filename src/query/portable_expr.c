/*
 * portable_expr.c
 *		Expressions in portable SQL (see portable_expr.h).
 *
 * What is written is a positive list, of what standard SQL defines and engines agree on. Everything else is refused: for
 * example, division of integers, which other engines do not truncate; the order of text, which depends on the collation;
 * casts from text, whose formats differ; and conversions between timestamptz and types without a time zone, which depend on
 * the session.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "query/portable_expr.h"
#include "rewrite/rewriteManip.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"

/* The types whose values all engines have. */
typedef enum TypeClass
{
	CLASS_OTHER,
	CLASS_BOOLEAN,
	CLASS_INTEGER,
	CLASS_DECIMAL,
	CLASS_FLOAT,
	CLASS_TEXT,
	CLASS_TIME
} TypeClass;

static const struct
{
	Oid type;
	TypeClass class;
	const char *name;
} types[] = {
	{BOOLOID, CLASS_BOOLEAN, "BOOLEAN"},		  {INT2OID, CLASS_INTEGER, "SMALLINT"},
	{INT4OID, CLASS_INTEGER, "INTEGER"},		  {INT8OID, CLASS_INTEGER, "BIGINT"},
	{NUMERICOID, CLASS_DECIMAL, "DECIMAL"},		  {FLOAT4OID, CLASS_FLOAT, "REAL"},
	{FLOAT8OID, CLASS_FLOAT, "DOUBLE PRECISION"}, {TEXTOID, CLASS_TEXT, "VARCHAR"},
	{VARCHAROID, CLASS_TEXT, "VARCHAR"},		  {DATEOID, CLASS_TIME, "DATE"},
	{TIMESTAMPOID, CLASS_TIME, "TIMESTAMP"},	  {TIMESTAMPTZOID, CLASS_TIME, "TIMESTAMP WITH TIME ZONE"},
};

/* Functions of one argument that mean the same everywhere. */
static const struct
{
	Oid function;
	const char *name;
} functions[] = {
	{F_ABS_INT2, "ABS"},
	{F_ABS_INT4, "ABS"},
	{F_ABS_INT8, "ABS"},
	{F_ABS_NUMERIC, "ABS"},
	{F_ABS_FLOAT4, "ABS"},
	{F_ABS_FLOAT8, "ABS"},
	{F_LENGTH_TEXT, "CHAR_LENGTH"},
	{F_CHAR_LENGTH_TEXT, "CHAR_LENGTH"},
	{F_CHARACTER_LENGTH_TEXT, "CHAR_LENGTH"},
};

static TypeClass class_of(Oid type);
static const char *type_name(Oid type);
static void append_operator(StringInfo buf, const ViewDef *def, const OpExpr *op);
static bool is_comparison(const char *name);
static void check_comparison(const ViewDef *def, const Node *expr, const char *name, const List *args,
							 Oid collation);
static void check_arithmetic(const ViewDef *def, const Node *expr, char name, const List *args);
static void append_list(StringInfo buf, const ViewDef *def, const ScalarArrayOpExpr *op);
static List *elements_of(const ViewDef *def, const ScalarArrayOpExpr *op);
static void append_logic(StringInfo buf, const ViewDef *def, const BoolExpr *expr);
static void append_test(StringInfo buf, const ViewDef *def, const BooleanTest *test);
static void append_case(StringInfo buf, const ViewDef *def, const CaseExpr *expr);
static void append_call(StringInfo buf, const ViewDef *def, const char *name, const List *args);
static void append_function(StringInfo buf, const ViewDef *def, const FuncExpr *call);
static bool is_zone(const Node *node);
static void append_cast(StringInfo buf, const ViewDef *def, const Node *cast, const Node *arg);
static bool keeps_value(Oid from, Oid to);
static void append_constant(StringInfo buf, const ViewDef *def, const Const *constant);
static char *quote(const char *text);
static char *time_text(int64 time, bool date);

void
portable_expr(StringInfo buf, const ViewDef *def, const Node *expr)
{
	check_stack_depth();
	portable_check_type(def, expr);
	switch (nodeTag(expr))
	{
		case T_Var:
			appendStringInfoString(
				buf, quote_identifier(get_attname(def->stream, ((const Var *) expr)->varattno, false)));
			break;
		case T_Const:
			append_constant(buf, def, (const Const *) expr);
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			append_operator(buf, def, (const OpExpr *) expr);
			break;
		case T_ScalarArrayOpExpr:
			append_list(buf, def, (const ScalarArrayOpExpr *) expr);
			break;
		case T_BoolExpr:
			append_logic(buf, def, (const BoolExpr *) expr);
			break;
		case T_NullTest:
			appendStringInfoChar(buf, '(');
			portable_expr(buf, def, (const Node *) ((const NullTest *) expr)->arg);
			appendStringInfoString(buf, ((const NullTest *) expr)->nulltesttype == IS_NULL ? " IS NULL)"
																						   : " IS NOT NULL)");
			break;
		case T_BooleanTest:
			append_test(buf, def, (const BooleanTest *) expr);
			break;
		case T_CaseExpr:
			append_case(buf, def, (const CaseExpr *) expr);
			break;
		case T_CoalesceExpr:
			append_call(buf, def, "COALESCE", ((const CoalesceExpr *) expr)->args);
			break;
		case T_RelabelType:
			portable_expr(buf, def, (const Node *) ((const RelabelType *) expr)->arg);
			break;
		case T_CollateExpr:
			portable_expr(buf, def, (const Node *) ((const CollateExpr *) expr)->arg);
			break;
		case T_CoerceViaIO:
			append_cast(buf, def, expr, (const Node *) ((const CoerceViaIO *) expr)->arg);
			break;
		case T_FuncExpr:
			append_function(buf, def, (const FuncExpr *) expr);
			break;
		default:
			portable_refuse(def, expr, "Other engines do not have it, or compute something else.");
	}
}

char *
portable_time(Oid type, TimestampTz time)
{
	char *text = time_text(time, type == DATEOID);

	if (text == NULL)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("time %s cannot be written in portable SQL", timestamptz_to_str(time)),
						errdetail("Engines agree on the years 1 to 9999 only.")));
	switch (type)
	{
		case DATEOID:
			return psprintf("DATE '%s'", text);
		case TIMESTAMPOID:
			return psprintf("CAST('%s' AS TIMESTAMP)", text);
		default:
			return psprintf("CAST('%s+00:00' AS TIMESTAMP WITH TIME ZONE)", text);
	}
}

void
portable_refuse(const ViewDef *def, const Node *expr, const char *reason)
{
	Node *copy = copyObject(unconstify(Node *, expr));

	ChangeVarNodes(copy, def->varno, 1, 0);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s cannot be written in portable SQL",
					deparse_expression(copy, deparse_context_for(get_rel_name(def->stream), def->stream),
									   false, false)),
			 errdetail("%s", reason), errhint("Use CALL streambatch.refresh() for this hybrid view.")));
}

void
portable_check_type(const ViewDef *def, const Node *expr)
{
	Oid type = exprType(expr);

	if (class_of(type) == CLASS_OTHER)
		portable_refuse(def, expr,
						psprintf("Values of type %s mean something else in other engines, or nothing.",
								 format_type_be(type)));
}

void
portable_check_order(const ViewDef *def, const Node *expr)
{
	Oid collation = exprCollation(expr);

	portable_check_type(def, expr);
	if (class_of(exprType(expr)) == CLASS_TEXT && collation != C_COLLATION_OID &&
		collation != POSIX_COLLATION_OID)
		portable_refuse(def, expr, "The order of text depends on its collation, except under COLLATE \"C\".");
}

static TypeClass
class_of(Oid type)
{
	for (int i = 0; i < lengthof(types); i++)
	{
		if (types[i].type == type)
			return types[i].class;
	}
	return CLASS_OTHER;
}

static const char *
type_name(Oid type)
{
	for (int i = 0; i < lengthof(types); i++)
	{
		if (types[i].type == type)
			return types[i].name;
	}
	return NULL;
}

static void
append_operator(StringInfo buf, const ViewDef *def, const OpExpr *op)
{
	char *name = get_opname(op->opno);
	const Node *last = llast(op->args);
	bool ours = op->opno < FirstNormalObjectId;

	if (!ours)
		portable_refuse(def, (const Node *) op, "The operator is not one of PostgreSQL's own.");
	if (is_comparison(name))
		check_comparison(def, (const Node *) op, name, op->args, op->inputcollid);
	else if (strcmp(name, "~~") == 0 || strcmp(name, "!~~") == 0)
	{
		if (!IsA(last, Const) || ((const Const *) last)->constisnull ||
			strchr(TextDatumGetCString(((const Const *) last)->constvalue), '\\') != NULL)
			portable_refuse(
				def, (const Node *) op,
				"A pattern must be a literal without backslashes, which engines treat differently.");
		name = name[0] == '!' ? "NOT LIKE" : "LIKE";
	}
	else if (strcmp(name, "||") == 0)
	{
		if (class_of(exprType(linitial(op->args))) != CLASS_TEXT || class_of(exprType(last)) != CLASS_TEXT)
			portable_refuse(def, (const Node *) op, "Only text can be concatenated.");
	}
	else if (strlen(name) == 1 && strchr("+-*/%", name[0]) != NULL)
		check_arithmetic(def, (const Node *) op, name[0], op->args);
	else
		portable_refuse(def, (const Node *) op, psprintf("Other engines do not have the operator %s.", name));
	if (IsA(op, NullIfExpr))
	{
		append_call(buf, def, "NULLIF", op->args);
		return;
	}
	appendStringInfoChar(buf, '(');
	if (list_length(op->args) == 2)
	{
		portable_expr(buf, def, linitial(op->args));
		appendStringInfoChar(buf, ' ');
	}
	appendStringInfo(buf, "%s ", IsA(op, DistinctExpr) ? "IS DISTINCT FROM" : name);
	portable_expr(buf, def, last);
	appendStringInfoChar(buf, ')');
}

static bool
is_comparison(const char *name)
{
	static const char *const names[] = {"=", "<>", "<", "<=", ">", ">="};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static void
check_comparison(const ViewDef *def, const Node *expr, const char *name, const List *args, Oid collation)
{
	Oid left = exprType(linitial(args));
	Oid right = exprType(lsecond(args));
	bool order = strcmp(name, "=") != 0 && strcmp(name, "<>") != 0;

	if (class_of(left) == CLASS_TIME && left != right && (left == TIMESTAMPTZOID || right == TIMESTAMPTZOID))
		portable_refuse(
			def, expr,
			"Comparing a time with a time zone and one without depends on the session's time zone.");
	if (class_of(left) != CLASS_TEXT)
		return;
	if (order && collation != C_COLLATION_OID && collation != POSIX_COLLATION_OID)
		portable_refuse(def, expr, "The order of text depends on its collation, except under COLLATE \"C\".");
	if (!order && OidIsValid(collation) && !get_collation_isdeterministic(collation))
		portable_refuse(def, expr, "Other engines do not have the collation.");
}

static void
check_arithmetic(const ViewDef *def, const Node *expr, char name, const List *args)
{
	ListCell *lc;

	foreach (lc, args)
	{
		TypeClass class = class_of(exprType(lfirst(lc)));

		if (class != CLASS_INTEGER && class != CLASS_DECIMAL && class != CLASS_FLOAT)
			portable_refuse(def, expr, "Engines agree on the arithmetic of numbers only.");
		if (name == '/' && class == CLASS_INTEGER)
			portable_refuse(def, expr, "Other engines do not truncate the quotient of integers.");
		if (name == '/' && class == CLASS_DECIMAL)
			portable_refuse(def, expr, "Engines compute different numbers of digits of a quotient.");
		if (name == '%' && class != CLASS_INTEGER)
			portable_refuse(def, expr, "Engines agree on the remainders of integers only.");
	}
}

/* expr = ANY (array), which is IN, or expr <> ALL (array), which is NOT IN. */
static void
append_list(StringInfo buf, const ViewDef *def, const ScalarArrayOpExpr *op)
{
	char *name = get_opname(op->opno);
	List *elements = elements_of(def, op);
	ListCell *lc;

	if (op->opno >= FirstNormalObjectId || strcmp(name, op->useOr ? "=" : "<>") != 0 || elements == NIL)
		portable_refuse(def, (const Node *) op, "Only IN and NOT IN with a list of values can be written.");
	check_comparison(def, (const Node *) op, name, list_make2(linitial(op->args), linitial(elements)),
					 op->inputcollid);
	appendStringInfoChar(buf, '(');
	portable_expr(buf, def, linitial(op->args));
	appendStringInfoString(buf, op->useOr ? " IN (" : " NOT IN (");
	foreach (lc, elements)
	{
		appendStringInfoString(buf, foreach_current_index(lc) > 0 ? ", " : "");
		portable_expr(buf, def, lfirst(lc));
	}
	appendStringInfoString(buf, "))");
}

/* NIL: the array is not a list of values. */
static List *
elements_of(const ViewDef *def, const ScalarArrayOpExpr *op)
{
	const Node *array = lsecond(op->args);
	List *result = NIL;
	Datum *values;
	bool *nulls;
	int n;
	int16 length;
	bool by_value;
	char align;
	Oid element;

	while (IsA(array, RelabelType))
		array = (const Node *) ((const RelabelType *) array)->arg;
	if (IsA(array, ArrayExpr) && !((const ArrayExpr *) array)->multidims)
		return ((const ArrayExpr *) array)->elements;
	if (!IsA(array, Const) || ((const Const *) array)->constisnull)
		return NIL;
	element = get_element_type(((const Const *) array)->consttype);
	get_typlenbyvalalign(element, &length, &by_value, &align);
	deconstruct_array(DatumGetArrayTypeP(((const Const *) array)->constvalue), element, length, by_value,
					  align, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
		result = lappend(result, makeConst(element, -1, ((const Const *) array)->constcollid, length,
										   values[i], nulls[i], by_value));
	return result;
}

static void
append_logic(StringInfo buf, const ViewDef *def, const BoolExpr *expr)
{
	ListCell *lc;

	appendStringInfoString(buf, expr->boolop == NOT_EXPR ? "(NOT " : "(");
	foreach (lc, expr->args)
	{
		if (foreach_current_index(lc) > 0)
			appendStringInfoString(buf, expr->boolop == AND_EXPR ? " AND " : " OR ");
		portable_expr(buf, def, lfirst(lc));
	}
	appendStringInfoChar(buf, ')');
}

static void
append_test(StringInfo buf, const ViewDef *def, const BooleanTest *test)
{
	static const char *const tests[] = {
		[IS_TRUE] = "IS TRUE",			 [IS_NOT_TRUE] = "IS NOT TRUE", [IS_FALSE] = "IS FALSE",
		[IS_NOT_FALSE] = "IS NOT FALSE", [IS_UNKNOWN] = "IS NULL",		[IS_NOT_UNKNOWN] = "IS NOT NULL"};

	appendStringInfoChar(buf, '(');
	portable_expr(buf, def, (const Node *) test->arg);
	appendStringInfo(buf, " %s)", tests[test->booltesttype]);
}

static void
append_case(StringInfo buf, const ViewDef *def, const CaseExpr *expr)
{
	ListCell *lc;

	if (expr->arg != NULL)
		portable_refuse(def, (const Node *) expr,
						"Write CASE WHEN with a condition in each branch instead of CASE with an operand.");
	appendStringInfoString(buf, "CASE");
	foreach (lc, expr->args)
	{
		const CaseWhen *when = lfirst_node(CaseWhen, lc);

		appendStringInfoString(buf, " WHEN ");
		portable_expr(buf, def, (const Node *) when->expr);
		appendStringInfoString(buf, " THEN ");
		portable_expr(buf, def, (const Node *) when->result);
	}
	if (expr->defresult != NULL)
	{
		appendStringInfoString(buf, " ELSE ");
		portable_expr(buf, def, (const Node *) expr->defresult);
	}
	appendStringInfoString(buf, " END");
}

static void
append_call(StringInfo buf, const ViewDef *def, const char *name, const List *args)
{
	ListCell *lc;

	appendStringInfo(buf, "%s(", name);
	foreach (lc, args)
	{
		appendStringInfoString(buf, foreach_current_index(lc) > 0 ? ", " : "");
		portable_expr(buf, def, lfirst(lc));
	}
	appendStringInfoChar(buf, ')');
}

static void
append_function(StringInfo buf, const ViewDef *def, const FuncExpr *call)
{
	Node *folded = call->funcid < FirstNormalObjectId
					   ? eval_const_expressions(NULL, copyObject((Node *) unconstify(FuncExpr *, call)))
					   : NULL;

	/* a literal in the type of what it is compared with */
	if (folded != NULL && IsA(folded, Const))
	{
		portable_expr(buf, def, folded);
		return;
	}
	for (int i = 0; i < lengthof(functions); i++)
	{
		if (functions[i].function == call->funcid)
		{
			append_call(buf, def, functions[i].name, call->args);
			return;
		}
	}
	if (call->funcid == F_TIMEZONE_TEXT_TIMESTAMPTZ && is_zone(linitial(call->args)))
	{
		appendStringInfoChar(buf, '(');
		portable_expr(buf, def, lsecond(call->args));
		appendStringInfoString(buf, " AT TIME ZONE ");
		portable_expr(buf, def, linitial(call->args));
		appendStringInfoChar(buf, ')');
		return;
	}
	if (call->funcformat == COERCE_EXPLICIT_CALL || call->funcformat == COERCE_SQL_SYNTAX ||
		list_length(call->args) != 1)
		portable_refuse(def, (const Node *) call,
						psprintf("Other engines do not have the function %s, or compute something else.",
								 get_func_name(call->funcid)));
	append_cast(buf, def, (const Node *) call, linitial(call->args));
}

/* A time zone that other engines know: UTC, or one like Europe/Berlin, but no abbreviation. */
static bool
is_zone(const Node *node)
{
	const char *name;

	if (!IsA(node, Const) || ((const Const *) node)->constisnull)
		return false;
	name = TextDatumGetCString(((const Const *) node)->constvalue);
	return strcmp(name, "UTC") == 0 || strchr(name, '/') != NULL;
}

static void
append_cast(StringInfo buf, const ViewDef *def, const Node *cast, const Node *arg)
{
	Oid from = exprType(arg);
	Oid to = exprType(cast);

	if (!keeps_value(from, to))
		portable_refuse(def, cast,
						psprintf("Engines do not agree on the conversion from %s to %s.",
								 format_type_be(from), format_type_be(to)));
	appendStringInfoString(buf, "CAST(");
	portable_expr(buf, def, arg);
	appendStringInfo(buf, " AS %s)", to == NUMERICOID ? "DECIMAL(38, 0)" : type_name(to));
}

/* Whether a conversion has one possible result. */
static bool
keeps_value(Oid from, Oid to)
{
	TypeClass class = class_of(from);

	if (class == CLASS_INTEGER)
		return class_of(to) == CLASS_DECIMAL || class_of(to) == CLASS_FLOAT || class_of(to) == CLASS_TEXT ||
			   (class_of(to) == CLASS_INTEGER && get_typlen(to) > get_typlen(from));
	return (from == FLOAT4OID && to == FLOAT8OID) || (from == BOOLOID && to == INT4OID) ||
		   (from == DATEOID && to == TIMESTAMPOID) || (from == TIMESTAMPOID && to == DATEOID);
}

static void
append_constant(StringInfo buf, const ViewDef *def, const Const *constant)
{
	Oid output;
	bool varlena;
	char *text;

	if (constant->constisnull)
	{
		appendStringInfoString(buf, "NULL");
		return;
	}
	getTypeOutputInfo(constant->consttype, &output, &varlena);
	text = class_of(constant->consttype) == CLASS_TIME ? NULL
													   : OidOutputFunctionCall(output, constant->constvalue);
	switch (class_of(constant->consttype))
	{
		case CLASS_BOOLEAN:
			appendStringInfoString(buf, DatumGetBool(constant->constvalue) ? "TRUE" : "FALSE");
			return;
		case CLASS_TEXT:
			appendStringInfoString(buf, quote(text));
			return;
		case CLASS_TIME:
			if (constant->consttype == DATEOID
					? DATE_NOT_FINITE(DatumGetDateADT(constant->constvalue))
					: TIMESTAMP_NOT_FINITE(DatumGetTimestamp(constant->constvalue)))
				portable_refuse(def, (const Node *) constant, "Other engines have no infinite times.");
			appendStringInfoString(
				buf, portable_time(constant->consttype, constant->consttype == DATEOID
															? date2timestamp_opt_overflow(
																  DatumGetDateADT(constant->constvalue), NULL)
															: DatumGetTimestamp(constant->constvalue)));
			return;
		default:
			break;
	}
	/* NaN and infinity are not spelled alike */
	if (strspn(text, "+-.0123456789e") != strlen(text))
		portable_refuse(def, (const Node *) constant, "Engines do not agree on how the number is written.");
	if (class_of(constant->consttype) == CLASS_FLOAT)
		appendStringInfo(buf, "CAST(%s AS %s)", text, type_name(constant->consttype));
	else
		appendStringInfo(buf, text[0] == '-' ? "(%s)" : "%s", text);
}

/* A literal of standard SQL, in which backslashes are ordinary characters. */
static char *
quote(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '\'');
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			appendStringInfoChar(&buf, '\'');
		appendStringInfoChar(&buf, *text);
	}
	appendStringInfoChar(&buf, '\'');
	return buf.data;
}

/* Without time zone. NULL: out of the range of years that all engines have. */
static char *
time_text(int64 time, bool date)
{
	struct pg_tm tm;
	fsec_t fsec;
	char *day;

	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0 || tm.tm_year < 1 || tm.tm_year > 9999)
		return NULL;
	day = psprintf("%04d-%02d-%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
	if (date)
		return day;
	if (fsec == 0)
		return psprintf("%s %02d:%02d:%02d", day, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return psprintf("%s %02d:%02d:%02d.%06d", day, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec);
}
