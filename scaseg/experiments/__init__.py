"""Sweeps: trainings declared in one file, run to the end however often they are interrupted, and reported on."""
