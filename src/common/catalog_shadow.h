/*
 * catalog_shadow.h
 *		Shadows of hybrid views in the extension's tables (see catalog_stream.h for what these functions have in common).
 *
 * While a view is rebuilt, its new query has states of its own, which worker and batch layer keep up like those of any
 * view: the shadow. Its row names the stored query, streambatch_state.query_<id>, in place of a view that users
 * read, and has the state "building". The stored query depends on the view internally, so that DROP drops both.
 */
#ifndef STREAMBATCH_CATALOG_SHADOW_H
#define STREAMBATCH_CATALOG_SHADOW_H

#include "common/catalog_view.h"

/* Whether a relation of a ViewRow is a shadow's. */
extern bool catalog_is_shadow(Oid view);

/* The name of a hybrid view for messages; of a shadow, that of the view it is to replace. Current context. */
extern char *catalog_view_name(Oid view);

/* Mark the row of a shadow, which catalog_insert_view() has inserted. */
extern void catalog_set_building(Oid shadow);

/* The ids of a view's shadows. Current context. */
extern List *catalog_shadows(Oid view);

/* Whether there is still a shadow with this id. */
extern bool catalog_shadow_exists(int32 id);

/* <view>_layers; InvalidOid: there is none. And the view's options as a WITH clause, or an empty string. */
extern Oid catalog_layers_of(Oid view);
extern char *catalog_options_of(Oid view);

/*
 * Let the rows of a shadow become those of the view with this id, whose own are deleted. Afterwards the generation must
 * be raised. With the stream's row locked.
 */
extern void catalog_replace_by_shadow(int32 id, int32 shadow_id);

/* Delete the rows of a shadow, raise the stream's generation, and drop its parts. */
extern void catalog_drop_shadow(int32 id);

#endif /* STREAMBATCH_CATALOG_SHADOW_H */
