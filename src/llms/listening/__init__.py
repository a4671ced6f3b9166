"""Limits of callers: every server here holds them to these before anything of theirs is looked at.

connection  how long a request may take to arrive, an answer to be read, and how many connections there are
bodies      how many bytes a request may have, and all of them together
json_body   JSON as the standard has it: no NaN, no depth that ends a parser
"""
