"""Console pages of the day's figures and of past days."""
