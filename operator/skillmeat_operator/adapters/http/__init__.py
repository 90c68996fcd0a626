"""One call to a remote side: where it may go, how fast, how long, how much it may answer."""
