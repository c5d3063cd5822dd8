"""Files of records on disk: which file a request means, what of it is asked for, and where it is kept."""
