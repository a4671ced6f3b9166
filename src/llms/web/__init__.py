"""The pages: chat and the lessons of the field, server-rendered, with plain ES modules; nothing comes from elsewhere.

server    the pages on a socket, for `llms web`
app       the application: routes, and rules for every request and answer
secret    who is let in
pages     the page around a template, and what else all routes share
chats     routes of the chat
agents    routes of teams
board     routes of the leaderboard
lessons   routes of the lessons
service/  everything behind the routes
"""
