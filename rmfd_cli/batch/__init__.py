"""Many videos with one command: what is named, where each goes, how it went."""
