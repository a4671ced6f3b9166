"""Tools that a model may call. Importing this loads none of them: see catalogue.TOOLS."""
