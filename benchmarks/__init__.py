"""Benchmarks; each is a program that computes with TensorFlow as the jobs set it up."""

from tumorcam.cluster.launcher import prepare_tensorflow

prepare_tensorflow()  # before any of them imports TensorFlow
