/*
 * view_comments.h
 *		Comments on the objects of a hybrid view.
 */
#ifndef STREAMBATCH_VIEW_COMMENTS_H
#define STREAMBATCH_VIEW_COMMENTS_H

/*
 * Comment on the view, on <view>_layers (InvalidOid: there is none) and its columns, and on the objects in
 * streambatch_state; a comment that is there already stays. Takes the locks of COMMENT.
 */
/* Comments on the objects in streambatch_state alone. */
extern void view_comments_add_parts(int32 id);

extern void view_comments_add(int32 id, Oid view, Oid layers);

#endif /* STREAMBATCH_VIEW_COMMENTS_H */
