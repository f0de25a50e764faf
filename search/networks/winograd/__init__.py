"""Convolutions of 3x3 by Winograd's minimal filtering, as products of matrices that are tasks like any other.

`matrices` has the transforms, `programs` their tensor programs, `rewriting` puts them into a network.
"""
