"""Tools that a model may call. Importing this loads none of them: see catalogue.TOOLS.

tool            Tool, its kinds, and the decorator that makes one of a function
catalogue       the shipped tools by name
toolset, guard  tools for pydantic-ai, and the rules between them and a model
consent         who may call what without asking, and what a person is asked
arguments       what a model writes as arguments, mended
results         what comes back, cut, cleaned and fenced by untrusted
calculator      with arithmetic, functions, expression and units (convert); inline is the calculator within raw text
clock, python, files, sql, web (with page), images, speech
mcp             servers that the user configured and accepted; mcp_toolset has their tools
"""
