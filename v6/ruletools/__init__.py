"""Tools around a desk's rules: tests with coverage, canonical layout, meaning in words, and why a decision fell."""
