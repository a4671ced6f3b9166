"""Scaling laws: the loss as a function of parameters and tokens, fitted to runs; the compute planned by it; the runs themselves."""
