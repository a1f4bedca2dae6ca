"""Builders of what tests, trials, benchmarks and the lab need: hosts, sites, loops, repositories, recordings."""
