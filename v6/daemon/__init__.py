"""The loop: each cycle re-reads the world and re-decides."""
