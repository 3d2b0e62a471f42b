/*
 * attempt.h
 *		The former name of subtransaction_run(), for batch/ until its files use the new one.
 */
#ifndef STREAMBATCH_ATTEMPT_H
#define STREAMBATCH_ATTEMPT_H

#include "common/subtransaction.h"

#define attempt(body, arg, context) subtransaction_run(body, arg, context)

#endif /* STREAMBATCH_ATTEMPT_H */
