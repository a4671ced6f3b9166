"""The part of a conversation that a model's window holds, and how texts larger than a window are read.

sizes        Window, Payload, counts and how far they can be trusted
served       what a server has shown of its own window
layout       a path made valid to send: exchanges of whole tool units
fit          the payload for a window; fit_result has its request and result
summary      older messages as a summary that is checked before it is used
split        a text as chunks, cut where a reader would cut it
mapreduce    an answer from all chunks, or from those that matter
graphemes    boundaries at which text may be cut
"""
