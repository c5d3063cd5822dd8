"""Bodies of record writes: read strictly, values as PocketBase will have them, written anew. No sockets.

Whoever looks at a write before PocketBase does must see what PocketBase will see. So a body is read here only
where both readers surely agree, and what is sent afterwards is written anew from what was read: a value that
was looked at is the value that is stored.
"""
