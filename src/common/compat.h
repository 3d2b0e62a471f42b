/*
 * compat.h
 *		What differs between PostgreSQL 15 and 18, by subject, each with the upstream change it follows.
 *
 * The only file with PG_VERSION_NUM. It includes nothing but a header that only some versions have: a file that
 * uses a macro includes the headers of what the macro expands to, in every version.
 */
#ifndef STREAMBATCH_COMPAT_H
#define STREAMBATCH_COMPAT_H

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pg_streambatch can be built for PostgreSQL 15 to 18"
#endif

/*
 * Values of variable length
 */

/* 16 (d952373a98): VARSIZE() and its kin moved out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * Declarations
 */

/* 18 (28f04984f0): pg_noreturn, before a declaration, replaced pg_attribute_noreturn() after it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/*
 * Intervals
 *
 * utils/timestamp.h.
 */

/* 17 (519fc1bd9e): an interval can be infinite. */
#if PG_VERSION_NUM < 170000
#define compat_interval_is_infinite(interval) false
#else
#define compat_interval_is_infinite(interval) INTERVAL_NOT_FINITE(interval)
#endif

/*
 * Time zones
 *
 * utils/datetime.h.
 */

/* 16 (2661469d86): DecodeTimezoneAbbrev() returns the kind of abbreviation through a pointer, and details of errors. */
#if PG_VERSION_NUM < 160000
#define compat_decode_timezone_abbreviation(token, kind, east, zone)                                         \
	((kind) = DecodeTimezoneAbbrev(0, token, east, zone))
#else
#define compat_decode_timezone_abbreviation(token, kind, east, zone)                                         \
	do                                                                                                       \
	{                                                                                                        \
		DateTimeErrorExtra extra;                                                                            \
                                                                                                             \
		if (DecodeTimezoneAbbrev(0, token, &(kind), east, zone, &extra) != 0)                                \
			(kind) = UNKNOWN_FIELD;                                                                          \
	} while (0)
#endif

/*
 * Privileges
 *
 * utils/acl.h and the header of the catalog: pg_class.h, pg_database.h, pg_foreign_server.h, pg_namespace.h, pg_proc.h.
 */

/* 16 (11c2d6fdf5): object_ownercheck() and object_aclcheck() replaced a function per kind of object. */
#if PG_VERSION_NUM < 160000
#define compat_class_ownercheck(relid, role) pg_class_ownercheck(relid, role)
#define compat_database_ownercheck(dbid, role) pg_database_ownercheck(dbid, role)
#define compat_namespace_aclcheck(nspid, role, mode) pg_namespace_aclcheck(nspid, role, mode)
#define compat_proc_aclcheck(funcid, role, mode) pg_proc_aclcheck(funcid, role, mode)
#define compat_server_aclcheck(server, role, mode) pg_foreign_server_aclcheck(server, role, mode)
#else
#define compat_class_ownercheck(relid, role) object_ownercheck(RelationRelationId, relid, role)
#define compat_database_ownercheck(dbid, role) object_ownercheck(DatabaseRelationId, dbid, role)
#define compat_namespace_aclcheck(nspid, role, mode) object_aclcheck(NamespaceRelationId, nspid, role, mode)
#define compat_proc_aclcheck(funcid, role, mode) object_aclcheck(ProcedureRelationId, funcid, role, mode)
#define compat_server_aclcheck(server, role, mode)                                                           \
	object_aclcheck(ForeignServerRelationId, server, role, mode)
#endif

/* 17 (51edc4ca54): the collation "POSIX" has no symbol any more; needs catalog/pg_collation.h before. */
#ifndef POSIX_COLLATION_OID
#define POSIX_COLLATION_OID 951
#endif

/*
 * Queries
 *
 * optimizer/optimizer.h.
 */

/* 16 (2489d76c49): flatten_join_alias_vars() also takes the planner's state, or NULL. */
#if PG_VERSION_NUM < 160000
#define compat_flatten_join_alias_vars(query, node) flatten_join_alias_vars(query, node)
#else
#define compat_flatten_join_alias_vars(query, node) flatten_join_alias_vars(NULL, query, node)
#endif

/*
 * 18 (247dea89f7): what a query groups by became the expressions of a last entry of the range table, and its
 * select list and HAVING refer to them. This puts them back in their places, as in older versions.
 */
#if PG_VERSION_NUM < 180000
#define compat_flatten_groups(query) ((void) (query))
#else
#define compat_flatten_groups(query)                                                                         \
	do                                                                                                       \
	{                                                                                                        \
		Query *grouped = (query);                                                                            \
                                                                                                             \
		if (!grouped->hasGroupRTE)                                                                           \
			break;                                                                                           \
		grouped->targetList = (List *) flatten_group_exprs(NULL, grouped, (Node *) grouped->targetList);     \
		grouped->havingQual = flatten_group_exprs(NULL, grouped, grouped->havingQual);                       \
		grouped->rtable = list_truncate(grouped->rtable, list_length(grouped->rtable) - 1);                  \
		grouped->hasGroupRTE = false;                                                                        \
	} while (0)
#endif

/* 16 (858e776c84): parseTypeString() takes a node for errors instead of missing_ok. parser/parse_type.h */
#if PG_VERSION_NUM < 160000
#define compat_parse_type(text, type, typmod) parseTypeString(text, type, typmod, false)
#else
#define compat_parse_type(text, type, typmod) ((void) parseTypeString(text, type, typmod, NULL))
#endif

/*
 * Foreign tables
 *
 * executor/executor.h, miscadmin.h; optimizer/pathnode.h for the path.
 */

/* 16 (a61b1f7482): the role that a foreign scan or modification runs as moved out of the range table entry. */
#if PG_VERSION_NUM < 160000
#define compat_role_or_current(role) (OidIsValid(role) ? (role) : GetUserId())
#define compat_scan_role(node)                                                                               \
	compat_role_or_current(                                                                                  \
		exec_rt_fetch(((Scan *) (node)->ss.ps.plan)->scanrelid, (node)->ss.ps.state)->checkAsUser)
#define compat_result_rti(result)                                                                            \
	((result)->ri_RootResultRelInfo != NULL ? (result)->ri_RootResultRelInfo->ri_RangeTableIndex             \
											: (result)->ri_RangeTableIndex)
#define compat_result_role(result, estate)                                                                   \
	compat_role_or_current(exec_rt_fetch(compat_result_rti(result), estate)->checkAsUser)
#else
#define compat_scan_role(node)                                                                               \
	(OidIsValid(((ForeignScan *) (node)->ss.ps.plan)->checkAsUser)                                           \
		 ? ((ForeignScan *) (node)->ss.ps.plan)->checkAsUser                                                 \
		 : GetUserId())
#define compat_result_role(result, estate) ExecGetResultRelCheckAsUser(result, estate)
#endif

/*
 * 17 (9e9931d2bf): create_foreignscan_path() also takes the conditions of a join that it replaces; 18 (e222534679):
 * and counts disabled nodes.
 */
#if PG_VERSION_NUM < 170000
#define compat_create_foreignscan_path(root, rel, rows, startup, total)                                      \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL, (rel)->lateral_relids, NULL, NIL)
#elif PG_VERSION_NUM < 180000
#define compat_create_foreignscan_path(root, rel, rows, startup, total)                                      \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL, (rel)->lateral_relids, NULL, NIL, NIL)
#else
#define compat_create_foreignscan_path(root, rel, rows, startup, total)                                      \
	create_foreignscan_path(root, rel, NULL, rows, 0, startup, total, NIL, (rel)->lateral_relids, NULL, NIL, \
							NIL)
#endif

/* 18 (9173e8b604, c65bc2e1d1): what a module needs to add lines to EXPLAIN moved out of commands/explain.h. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/*
 * Reading and writing tables
 *
 * executor/executor.h; access/genam.h for the index scan.
 */

/* 18 (0fbceae841): index_beginscan() takes a structure for instrumentation, or NULL. */
#if PG_VERSION_NUM < 180000
#define compat_index_beginscan(heap, index, snapshot, nkeys) index_beginscan(heap, index, snapshot, nkeys, 0)
#else
#define compat_index_beginscan(heap, index, snapshot, nkeys)                                                 \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#endif

/* 16 (19d8e2308b): ExecInsertIndexTuples() can insert into summarizing indexes only. */
#if PG_VERSION_NUM < 160000
#define compat_insert_index_tuples(result, slot, estate)                                                     \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#else
#define compat_insert_index_tuples(result, slot, estate)                                                     \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#endif

/* 16 (f5ea27786f): EvalPlanQualInit() also takes a list of result relations. */
#if PG_VERSION_NUM < 160000
#define compat_epq_init(epq, estate) EvalPlanQualInit(epq, estate, NULL, NIL, -1)
#else
#define compat_epq_init(epq, estate) EvalPlanQualInit(epq, estate, NULL, NIL, -1, NIL)
#endif

/* 18 (e0ece2a981): heap_form_minimal_tuple() can leave room before the tuple. access/htup_details.h */
#if PG_VERSION_NUM < 180000
#define compat_form_minimal_tuple(desc, values, nulls) heap_form_minimal_tuple(desc, values, nulls)
#else
#define compat_form_minimal_tuple(desc, values, nulls) heap_form_minimal_tuple(desc, values, nulls, 0)
#endif

/*
 * Block range indexes
 *
 * access/brin_revmap.h, utils/snapmgr.h.
 */

/* 17 (f691f5b80a): reading a summary does not take a snapshot any more. */
#if PG_VERSION_NUM < 170000
#define compat_brin_map_open(index, pages_per_range)                                                         \
	brinRevmapInitialize(index, pages_per_range, GetActiveSnapshot())
#define compat_brin_tuple(map, block, buffer, offset, size)                                                  \
	brinGetTupleForHeapBlock(map, block, buffer, offset, size, BUFFER_LOCK_SHARE, GetActiveSnapshot())
#else
#define compat_brin_map_open(index, pages_per_range) brinRevmapInitialize(index, pages_per_range)
#define compat_brin_tuple(map, block, buffer, offset, size)                                                  \
	brinGetTupleForHeapBlock(map, block, buffer, offset, size, BUFFER_LOCK_SHARE)
#endif

/*
 * Hash tables of tuples
 *
 * executor/executor.h.
 */

/*
 * 18 (0f5738202b): BuildTupleHashTableExt() became BuildTupleHashTable() and takes the input slot's operations.
 */
#if PG_VERSION_NUM < 180000
#define compat_build_hash_table(desc, ops, n, cols, eq, hash, coll, nbuckets, meta, table, temp)             \
	BuildTupleHashTableExt(NULL, desc, n, cols, eq, hash, coll, nbuckets, 0, meta, table, temp, false)
#define compat_entry_additional(table, entry) ((entry)->additional)
#define compat_entry_set_additional(table, entry, value) ((entry)->additional = (value))
#define compat_entry_tuple(entry) ((entry)->firstTuple)
#else
#define compat_build_hash_table(desc, ops, n, cols, eq, hash, coll, nbuckets, meta, table, temp)             \
	BuildTupleHashTable(NULL, desc, ops, n, cols, eq, hash, coll, nbuckets, sizeof(void *), meta, table,     \
						temp, false)
#define compat_entry_additional(table, entry) (*(void **) TupleHashEntryGetAdditional(table, entry))
#define compat_entry_set_additional(table, entry, value) (compat_entry_additional(table, entry) = (value))
#define compat_entry_tuple(entry) TupleHashEntryGetTuple(entry)
#endif

#endif /* STREAMBATCH_COMPAT_H */
