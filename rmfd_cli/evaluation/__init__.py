"""How good results are: scores against the truth, over data sets and pairs of clips."""
