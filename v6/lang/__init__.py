"""The rule language: YAML text to checked, frozen rules, every mistake with its place."""
