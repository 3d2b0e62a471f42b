/*
 * portable_expr.h
 *		Expressions of a hybrid view's query in SQL that other engines understand, with the same result.
 *
 * All functions raise feature_not_supported, with the reason, for what they cannot write: another engine would refuse it,
 * or, worse, compute something else.
 */
#ifndef STREAMBATCH_PORTABLE_EXPR_H
#define STREAMBATCH_PORTABLE_EXPR_H

#include "datatype/timestamp.h"
#include "common/compat.h"
#include "lib/stringinfo.h"
#include "query/analyse.h"

/* Append an expression over columns of the stream, under their names. */
extern void portable_expr(StringInfo buf, const ViewDef *def, const Node *expr);

/* A time of a window's type (an instant, for types without time zone read in UTC) as a literal. Current context. */
extern char *portable_time(Oid type, TimestampTz time);

/* Raise because an expression cannot be written. reason: a sentence. */
pg_noreturn extern void portable_refuse(const ViewDef *def, const Node *expr, const char *reason);

/* Raise unless values of the type are the same in every engine, and, if they are compared, in the same order. */
extern void portable_check_type(const ViewDef *def, const Node *expr);
extern void portable_check_order(const ViewDef *def, const Node *expr);

#endif /* STREAMBATCH_PORTABLE_EXPR_H */
