"""The pages' service: typed answers over one store and models that are loaded once; knows neither HTTP nor HTML.

service         ChatService: all parts together
conversations   listed, shown, searched, changed
turns           answers, which go on whoever reads them
approvals       decisions about tool calls that wait
attachments     files that wait for their message
arena_ratings   ratings from stored votes, and the battles behind them
battles         blind battles and their votes
blind           what of a battle may be seen before the vote
comparisons     two models on one question of a chat
import_export   conversations as files
lessons         tokens, the next token, statelessness
chat_settings   what conversations are asked with, and presets of it
model_choices   models to choose from, by where they run
teams           runs of agents
view_models     conversations and messages as they go over the wire
model_pool      models by name, loaded once
tools_at_hand   tools that a page can switch on
reach           models and files that a request may name
"""
