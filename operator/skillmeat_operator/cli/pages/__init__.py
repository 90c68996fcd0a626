"""What people read: the pages that commands print."""
