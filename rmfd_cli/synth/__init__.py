"""Paired rainy data sets: clean clips in, rain over them out, with every layer of the rain model as ground truth."""
