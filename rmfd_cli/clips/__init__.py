"""Clips on disk: videos and folders of frames, and which of them belong together."""
