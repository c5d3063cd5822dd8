"""What an uploaded file really is, and whether it may be stored."""
