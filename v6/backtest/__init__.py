"""The real daemon loop on history: run in segments, measured, shown, and searched by a fast estimator."""
