"""The leaderboard's page: scripts and styles that the pages of `llms web` and a file that stands alone share.

export    a board as one HTML file
assets/   the scripts, each a module, and the styles
"""
