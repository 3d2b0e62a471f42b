/*
 * archive_partitions.c
 *		Partitions that an archive, or a tracked table, gets and loses (see archive_partitions.h).
 *
 * Detaching or dropping a partition is the user's retention: panes keep their values, and no mark is left.
 */
#include "postgres.h"

#include "access/xact.h"
#include "batch/dirty_marks.h"
#include "catalog/namespace.h"
#include "common/archive_triggers.h"
#include "common/catalog_dirty.h"
#include "common/catalog_stream.h"
#include "nodes/parsenodes.h"
#include "serve/archive_partitions.h"
#include "storage/lmgr.h"

static void alter_table(const AlterTableStmt *command);
static void attach(const RangeVar *partition, bool has_rows);
static void detach(const RangeVar *partition);

void
archive_partitions_follow(const Node *command)
{
	if (IsA(command, AlterTableStmt))
		alter_table((const AlterTableStmt *) command);
	else if (IsA(command, CreateStmt) && ((const CreateStmt *) command)->inhRelations != NIL)
		attach(((const CreateStmt *) command)->relation, false);
}

static void
alter_table(const AlterTableStmt *command)
{
	ListCell *lc;

	foreach (lc, command->cmds)
	{
		const AlterTableCmd *cmd = lfirst(lc);

		switch (cmd->subtype)
		{
			case AT_AttachPartition:
				attach(castNode(PartitionCmd, cmd->def)->name, true);
				break;
			case AT_DetachPartition:
			case AT_DetachPartitionFinalize:
				detach(castNode(PartitionCmd, cmd->def)->name);
				break;
			case AT_AddInherit:
				attach(command->relation, true);
				break;
			case AT_DropInherit:
				detach(command->relation);
				break;
			default:
				break;
		}
	}
}

static void
attach(const RangeVar *partition, bool has_rows)
{
	Oid relid = RangeVarGetRelid(partition, NoLock, true);

	/* an archive that becomes a part of another table is not changed */
	if (!OidIsValid(relid) || OidIsValid(catalog_stream_of_archive(relid)) || !catalog_is_watched(relid))
		return;
	archive_triggers_add_tracked(relid);
	CommandCounterIncrement();
	if (has_rows)
		dirty_marks_of_partition(relid);
}

static void
detach(const RangeVar *partition)
{
	Oid relid = RangeVarGetRelid(partition, NoLock, true);

	if (OidIsValid(relid) && !catalog_is_watched(relid))
		archive_triggers_remove(relid);
}
