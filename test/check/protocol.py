#!/usr/bin/env python3
"""The protocol by which both layers count each event exactly once (src/worker/flush.c), small enough to check in full.

Explores every interleaving of: the worker folding and flushing, a partition appearing, a cut, chunk transactions (statement by statement),
corrections of the archive (which see the views before they commit), a refresh crashing and starting again, the worker crashing; and, in one
scenario, a view being rebuilt: the shadow created, computed by a refresh of its own, and swapped in; in the other, an engine outside that
computes the panes as of a cut, and publishes them.
Invariant, in every committed state, which is what a reader's snapshot sees:

    for every view and pane:  batch rows + stream rows = every event of the archive exactly once, by one logic
    (a pane with a dirty mark may lag behind a correction, but no refresh may end leaving it wrong and unmarked)

    protocol.py                 check the protocol with all its rules: prints the number of states of each scenario
    protocol.py --rules         list the rules
    protocol.py RULE            switch one rule off: prints the shortest way to a wrong answer

Each rule is one that an implementation can forget:
  epoch_after_lock   the flush takes the stream's lock (or wins its compare-and-set) first, and only then reads the views' epochs
  generation         the fold remembers which set of views it was made for; a flush under another generation drops the fold and reads the log again
  partition_locked   a partition's first progress row is inserted under the same lock that the cut takes
  archive_below_cut  a chunk computes from archive rows below the cut, not from all it sees
  delete_by_epoch    a chunk deletes stream rows up to the epoch that its cut closed, not all rows of the pane
  clear_then_compute a chunk clears a pane's dirty mark before it computes the pane, never after
  newer_cut_only     a resumed run skips panes that another run has meanwhile computed at a later cut
  corrections_locked no view is created, or swapped in, between a correction's look at the views and its commit
  swap_generation    the swap of a rebuild raises the generation
  swap_marks         the swap of a rebuild keeps the marks of the shadow
  publish_newer_only a batch of an engine outside is published only if no pane has been computed since its cut
  publish_no_marks   its publication clears no dirty mark, for the engine may not have the correction
"""
import sys
from collections import namedtuple

LOG = {0: ("A", "B"), 1: ("A",)}          # partition -> pane of each event; partition 1 appears later
PANES = ("A", "B")
RULES = {"epoch_after_lock", "generation", "partition_locked", "archive_below_cut", "delete_by_epoch", "clear_then_compute",
         "newer_cut_only", "corrections_locked", "swap_generation", "swap_marks", "publish_newer_only", "publish_no_marks"}
SCENARIOS = ("rebuild", "outside")

# fold: (generation, start offsets, end offsets, views folded for: name -> logic, epochs seen) | None
# refresh: (view, cut, closed epoch, panes to do, step, scratch) | None
# view: name -> (epoch, stream {(event, version, epoch, logic)}, batch {pane: {(event, version)}}, logic)
# pending: the views that a correction has seen | None; batch: (cut, closed epoch, cuts at begin, computed | None) | None
State = namedtuple("State", "progress partitions generation views fold refresh archive dirty corrected crashes runs left cuts pending batch begun swapped")


def start():
    v = (("v1", (0, frozenset(), tuple((p, frozenset()) for p in PANES), "old")),)
    return State(((0, 0),), (0,), 0, v, None, None, frozenset(), frozenset(), False, 0, 0, None, frozenset(), None, None, 0, False)


def events(lo, hi):
    lo = dict(lo)
    return [(p, o) for p, h in hi for o in range(lo.get(p, 0), h)]


def pane(e):
    return LOG[e[0]][e[1]]


def put(views, name, value):
    return tuple(sorted({**dict(views), name: value}.items()))


def steps(s, rules, scenario):
    views, progress, archive = dict(s.views), dict(s.progress), dict(s.archive)
    # the metadata refresh finds partition 1
    if 1 not in s.partitions:
        yield "partition 1 appears", s._replace(partitions=(0, 1))
    # worker: fold one more event in memory
    base = s.fold[2] if s.fold else tuple((p, progress.get(p, 0)) for p in s.partitions)
    for p, o in base:
        if o < len(LOG[p]) and (s.fold is None or len(events(s.fold[1], base)) < 2):
            end = tuple((q, x + (q == p)) for q, x in base)
            if s.fold:
                yield f"fold {p}/{o}", s._replace(fold=(*s.fold[:2], end, *s.fold[3:]))
            else:
                yield f"fold {p}/{o}", s._replace(fold=(s.generation, base, end, tuple((n, v[3]) for n, v in views.items()), tuple((n, v[0]) for n, v in views.items())))
    # worker: flush, one transaction under the stream's lock
    locked_out = s.refresh and s.refresh[4] == "cutting"
    if s.fold and "partition_locked" not in rules and locked_out and any(p not in progress for p, _ in events(s.fold[1], s.fold[2])) \
            and all(p not in progress for p, _ in events(s.fold[1], s.fold[2])):
        locked_out = False                                # a flush of nothing but a new partition meets no lock
    if s.fold and not locked_out:
        gen, lo, hi, names, seen = s.fold
        if any(progress.get(p, 0) != o for p, o in lo) or ("generation" in rules and gen != s.generation):
            yield "flush refused", s._replace(fold=None)
        else:
            new, vs = events(lo, hi), s.views
            for n, logic in names:
                if n in views:
                    epoch = views[n][0] if "epoch_after_lock" in rules else dict(seen)[n]
                    vs = put(vs, n, (views[n][0], views[n][1] | {(e, 0, epoch, logic) for e in new}, *views[n][2:]))
            yield f"flush {new}", s._replace(views=vs, fold=None, archive=s.archive | {(e, 0) for e in new},
                                             progress=tuple(sorted({**progress, **{p: o for p, o in hi if o or p in progress}}.items())))
    if s.fold and s.crashes < 1:
        yield "worker crashes", s._replace(fold=None, crashes=s.crashes + 1)
    # correction of an archived event: it looks which views there are, and commits archive and dirty marks together
    if not s.corrected and s.pending is None and ((0, 0), 0) in s.archive:
        yield "correction of 0/0 sees " + " ".join(views), s._replace(pending=tuple(views))
    if s.pending is not None:
        yield "correction of 0/0 commits", s._replace(archive=s.archive - {((0, 0), 0)} | {((0, 0), 1)}, corrected=True, pending=None,
                                                      dirty=s.dirty | {(n, pane((0, 0))) for n in s.pending if n in views})
    # rebuild: the shadow is registered, its cut taken, generation raised, in one transaction under the lock; its refresh follows
    if scenario == "rebuild" and "v2" not in views and not s.swapped and s.refresh is None \
            and (s.pending is None or "corrections_locked" not in rules):
        yield "create shadow v2", s._replace(views=put(s.views, "v2", (1, frozenset(), tuple((p, frozenset()) for p in PANES), "new")),
                                             generation=s.generation + 1, refresh=("v2", s.progress, 0, PANES, "chunk", None),
                                             dirty=s.dirty | {("v2", p) for p in PANES})
    # the shadow takes the view's place, in one transaction under the lock, once its refresh has ended
    if "v2" in views and s.refresh is None and s.left is None and (s.pending is None or "corrections_locked" not in rules) \
            and {p for n, p, _ in s.cuts if n == "v2"} == set(PANES):
        marks = frozenset(("v1", p) for n, p in s.dirty if n == "v2")
        yield "swap", s._replace(views=(("v1", views["v2"]),), swapped=True, generation=s.generation + ("swap_generation" in rules),
                                 dirty=marks if "swap_marks" in rules else frozenset(), pending=s.pending and ("v1",),
                                 cuts=frozenset(("v1", p, c) for n, p, c in s.cuts if n == "v2"))
    # an engine outside: begin_batch() is one transaction under the lock, the engine computes from what is below the cut, publish_batch() is one
    # transaction with the view's right to refresh
    if scenario == "outside" and s.begun < 1 and s.refresh is None:
        epoch, *rest = views["v1"]
        yield f"begin batch {s.progress}", s._replace(begun=1, batch=(s.progress, epoch, s.cuts, None), views=put(s.views, "v1", (epoch + 1, *rest)))
    if s.batch and s.batch[3] is None:
        cut = dict(s.batch[0])
        yield "the engine computes", s._replace(batch=(*s.batch[:3], frozenset(x for x in s.archive if x[0][1] < cut.get(x[0][0], 0))))
    if s.batch and s.batch[3] is not None and s.refresh is None:
        _, closed, cuts, computed = s.batch
        epoch, stream, batch, logic = views["v1"]
        if "publish_newer_only" in rules and s.cuts - cuts:
            yield "publication refused", s._replace(batch=None)
        else:
            yield "publish", s._replace(batch=None, dirty=s.dirty if "publish_no_marks" in rules else frozenset(),
                                        cuts=s.cuts | {("v1", p, closed) for p in PANES},
                                        views=put(s.views, "v1", (epoch, frozenset(x for x in stream if x[2] > closed),
                                                                  tuple((p, frozenset(x for x in computed if pane(x[0]) == p)) for p in PANES), logic)))
    # refresh
    if s.refresh is None:
        if s.left:                                        # a crashed run, continued at its own cut
            name, _, closed, todo = s.left
            newer = {p for n, p, c in s.cuts if n == name and c > closed}
            if "newer_cut_only" in rules:
                todo = tuple(p for p in todo if p not in newer)
            yield f"resume {name} {todo}", s._replace(refresh=(*s.left[:3], todo, "chunk", None), left=None)
        if s.runs < 2:
            yield "refresh v1: lock", s._replace(refresh=("v1", s.progress, None, PANES, "cutting", None), runs=s.runs + 1)
        return
    name, cut, closed, todo, step, scratch = s.refresh
    epoch, stream, batch, logic = views[name]
    if step == "cutting":
        yield f"cut {cut}", s._replace(refresh=(name, cut, epoch, todo, "chunk", None), views=put(s.views, name, (epoch + 1, stream, batch, logic)))
    elif not todo:
        yield "refresh ends", s._replace(refresh=None)
    elif step == "chunk":                                 # a chunk's statements; its writes become visible together at "commit"
        visible = frozenset(x for x in s.archive if pane(x[0]) == todo[0]
                            and (x[0][1] < dict(cut).get(x[0][0], 0) or "archive_below_cut" not in rules))
        mark = (name, todo[0]) in s.dirty
        yield f"{name} {todo[0]}: first statement", s._replace(refresh=(name, cut, closed, todo, "commit", (visible, mark)))
    else:
        visible, mark = scratch
        if "clear_then_compute" in rules:                 # the mark seen first goes; the archive is read now, later
            visible = frozenset(x for x in s.archive if pane(x[0]) == todo[0]
                                and (x[0][1] < dict(cut).get(x[0][0], 0) or "archive_below_cut" not in rules))
        else:                                             # the archive was read first; all marks seen now go
            mark = (name, todo[0]) in s.dirty
        kept = frozenset(x for x in stream if pane(x[0]) != todo[0] or ("delete_by_epoch" in rules and x[2] > closed))
        b = tuple((p, visible if p == todo[0] else x) for p, x in batch)
        # a mark set between the statements by another transaction survives only if it was not seen
        later = (name, todo[0]) in s.dirty and not mark
        dirty = s.dirty - {(name, todo[0])} if mark else s.dirty
        yield f"{name} {todo[0]}: commit", s._replace(views=put(s.views, name, (epoch, kept, b, logic)), dirty=dirty if not later else s.dirty,
                                                      refresh=(name, cut, closed, todo[1:], "chunk", None), cuts=s.cuts | {(name, todo[0], closed)})
    if s.crashes < 1 and step != "cutting":
        yield "refresh crashes", s._replace(refresh=None, crashes=s.crashes + 1, left=(name, cut, closed, todo))


def wrong(s):
    for n, (_, stream, batch, logic) in s.views:
        if any(x[3] != logic for x in stream):
            return f"{n} has states of the {'old' if logic == 'new' else 'new'} logic"
        for p, rows in batch:
            if s.refresh and s.refresh[0] == n == "v2" and p in s.refresh[3] or (n == "v2" and (n, p) in s.dirty):
                continue                                  # not covered yet: a new view says so
            served = sorted([x[0] for x in rows] + [x[0] for x in stream if pane(x[0]) == p])
            stored = sorted(x[0] for x in s.archive if pane(x[0]) == p)
            if served != stored:
                return f"{n} pane {p} serves {served}, the archive holds {stored}"
            stale = [x for x in rows if x not in s.archive]
            if stale and (n, p) not in s.dirty:
                return f"{n} pane {p} serves the uncorrected {stale}, and nothing marks it dirty"


def explore(rules, scenario):
    """The number of states, or the shortest way to a wrong answer."""
    first = start()
    seen, queue = {first: None}, [first]
    for s in queue:
        for what, t in steps(s, rules, scenario):
            if t in seen:
                continue
            seen[t] = (s, what)
            problem = wrong(t)
            if problem:
                path = []
                while seen[t]:
                    t, w = seen[t]
                    path.append(w)
                return "\n".join([*reversed(path), f"WRONG: {problem}"])
            queue.append(t)
    return len(seen)


def main():
    if sys.argv[1:] == ["--rules"]:
        print("\n".join(sorted(RULES)))
        return
    if set(sys.argv[1:]) - RULES:
        sys.exit(__doc__)
    for scenario in SCENARIOS:
        found = explore(RULES - set(sys.argv[1:]), scenario)
        if isinstance(found, str):
            print(found)
            sys.exit(1)
        print(f"{scenario}: {found} states, every one right")


main()
