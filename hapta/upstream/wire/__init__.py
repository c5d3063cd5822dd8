"""HTTP/1.1 as one known server speaks it, and no more: what most requests to PocketBase need.

An answer that is not exactly that ends its connection and is lost. A connection carries one request at a
time, and another one only after exactly one answer was read to its exact end, nothing followed it and nothing
was left unsent: else the answer meant for one client could reach the next (RFC 9112 §11.1).
"""
