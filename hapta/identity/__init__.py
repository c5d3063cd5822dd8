"""From the token a client shows to the auth record behind it: session rows, proofs, adopted tokens."""
