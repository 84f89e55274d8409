"""What the sample videos are drawn, written on and sounded with; only data/make_samples.py uses it."""
