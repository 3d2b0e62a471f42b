/*
 * outside.h
 *		What begin_batch(), publish_batch() and abandon_batch() have in common.
 */
#ifndef STREAMBATCH_OUTSIDE_H
#define STREAMBATCH_OUTSIDE_H

#include "common/catalog_outside.h"
#include "common/catalog_view.h"
#include "common/guard.h"

/*
 * Raises unless each statement of the transaction sees what others have committed: after a lock was waited for, cuts and
 * coverage must be read as they are then. function: its name.
 */
extern void outside_check_isolation(const char *function);

#endif /* STREAMBATCH_OUTSIDE_H */
