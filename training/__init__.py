"""Fit, measure and explain a classifier: dataset in, run out."""
