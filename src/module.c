/*
 * module.c
 *		What happens when the library is loaded.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;
