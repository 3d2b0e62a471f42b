/*
 * archive_partitions.h
 *		Partitions that an archive, or a tracked table, gets and loses.
 */
#ifndef STREAMBATCH_ARCHIVE_PARTITIONS_H
#define STREAMBATCH_ARCHIVE_PARTITIONS_H

#include "nodes/nodes.h"

/*
 * In a ddl_command_end event trigger, with the command: a partition that an archive has got is watched for changes, and the
 * panes of the events that it brings are marked; one that it has lost is not watched any more.
 */
extern void archive_partitions_follow(const Node *command);

#endif /* STREAMBATCH_ARCHIVE_PARTITIONS_H */
