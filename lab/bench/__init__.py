"""Measurements, side by side with what a user would pick instead. Results go to build/bench."""
