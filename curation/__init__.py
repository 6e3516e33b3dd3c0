"""Inspect, deduplicate, judge, resize, split and lock a harvest: harvest in, dataset out."""
