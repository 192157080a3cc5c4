"""Training: clips, losses and one loop."""
