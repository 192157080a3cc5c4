"""The shipped weights: safetensors files, their manifest and the model card."""
