"""Conversations removed for good, from any database object, without reading a message."""

from .database import Database


def remove_conversations(store: Database, *ids: str) -> None:
    """Remove conversations with their messages, runs, index entries, the attachments that nothing else uses, and the copies
    that were made before the file was last converted."""
    with store.transaction() as db:
        db.executemany("DELETE FROM conversations WHERE id = ?", [(id,) for id in ids])
        unused = "NOT EXISTS (SELECT 1 FROM parts WHERE parts.blob = blobs.digest)"
        unused_files = db.execute(f"SELECT digest FROM blobs WHERE {unused} AND bytes IS NULL").fetchall()
        db.execute(f"DELETE FROM blobs WHERE {unused}")
        for table in ("search", "search_inside"):  # merges the index, so that no deleted word stays in it
            db.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
    store.compact()
    for (name,) in unused_files:
        store.blob_file(name).unlink(missing_ok=True)
    for copy in store.path.parent.glob(f"{store.path.name}.schema*"):
        copy.unlink(missing_ok=True)
