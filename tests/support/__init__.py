"""What tests share: real PocketBase instances, a mail sink, Hapta as a subprocess, and comparable answers."""
