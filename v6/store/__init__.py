"""What happened, kept: the journal (truth, fsynced), the Delta tables copied from it, and how to read them."""
