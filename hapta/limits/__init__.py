"""Limits: how much may be asked, by whom. Values and the time in, decisions out."""
