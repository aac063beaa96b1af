"""Three evaluators of one meaning: see semantics.md in this folder."""
