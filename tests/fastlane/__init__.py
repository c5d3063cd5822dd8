"""The fast lane through its doors: real connections to a real gateway before a real PocketBase.

Whether the lane answered or the full way is counted where the connections ask it, so every test says which of
the two it is about. Rows of the seed are left as they are.
"""
