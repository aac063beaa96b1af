"""Campaigns that take longer than a test run may; each prints what it did and can be repeated from its seed."""
