"""The pages: chat and the lessons of the field, server-rendered, with plain ES modules; nothing comes from elsewhere."""
