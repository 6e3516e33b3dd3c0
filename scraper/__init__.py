"""Gather images of named species, politely, with their provenance: species in, harvest out."""
