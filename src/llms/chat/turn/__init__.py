"""One answer of a model: its requests, tool calls and events, and what is stored of them.

setup           who answers, under what rules, with which limits
turn            Turn: the loop, from the question to its end, however it ends
state           TurnState: the phase and the values that the parts of a turn share
branch          the path as it grows
model_call      one request: begun, sent, received, accounted for
side_requests   summaries, and parts of a text larger than the window
hooks           what pydantic-ai asks of the turn
tool_calls      limits, approval, and a result for every call
events          the closed union of what readers are shown
event_stream    events to all readers and to the journal, in one order
journal         the protocol of what is stored
"""
