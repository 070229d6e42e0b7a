"""The twin held against the motions it follows: KinTwin's table with ours beside it, and what it did not report."""
