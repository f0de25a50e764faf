"""Child processes that are asked over pipes: framing, time-outs, restart, and the cause of death.

A child runs a function of this code base that turns requests into replies, so that what crashes or hangs costs the
child and not its parent. It is a plain interpreter, neither forked nor multiprocessing's: a caller's script needs no
`__main__` guard, and modules come from where the parent has them, not from the folder that it was started in. Messages
are MessagePack, each after its length, so that neither side unpickles anything. A Ctrl-C is for the parent alone, and
what a child prints goes to the parent's standard error or nowhere. A child that waits for a request ends when its
parent does.

TVM's own workers, which are forked, are the affair of `search.measure.zygote`.
"""

from tunedb.processes.child import Child, Children, Limits

__all__ = ["Child", "Children", "Limits"]
