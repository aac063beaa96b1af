"""The only room that knows ib_async: wire objects become ours here, once, and none of them leaves."""
