/*
 * pane.h
 *		Panes: the disjoint slices of time that windows are made of; and the windows that a pane belongs to.
 *
 * Times are of the shape's type, as in window_shape.h.
 */
#ifndef STREAMBATCH_PANE_H
#define STREAMBATCH_PANE_H

#include "window/window_shape.h"

/*
 * The length of a kind's panes: of hop the greatest common divisor of slide and size, of cumulate the step, else
 * the size. step: the slide of hop, the step of cumulate, otherwise ignored. All in the same unit.
 */
extern int64 pane_length(WindowKind kind, int64 step, int64 size);

/* The pane that contains a finite time; of tumble, that is its window. Never empty: start <= time < end. */
extern TimeSlice pane_at(WindowShape *shape, int64 time);

/*
 * All windows that contain a finite time, or a pane given by its start, and whose edges are valid timestamps: of hop in
 * the order of their starts, which all differ, of cumulate in the order of their ends. Of tumble and session: the pane.
 * The shape must outlive the walk.
 *
 *		window_walk_begin(&walk, shape, time);
 *		while (window_walk_next(&walk, &window))
 */
typedef struct WindowWalk
{
	WindowShape *shape;
	TimeSlice next;
	int64 index; /* hop: of the next window */
	int64 last;	 /* hop: of the last one */
	int64 time;	 /* hop: that the windows contain */
	bool done;
} WindowWalk;

extern void window_walk_begin(WindowWalk *walk, WindowShape *shape, int64 time);
extern bool window_walk_next(WindowWalk *walk, TimeSlice *window);

#endif /* STREAMBATCH_PANE_H */
