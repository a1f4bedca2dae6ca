"""What is done and checked in the guest, with nothing but Python's own library."""
