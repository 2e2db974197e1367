"""Penalties in the trainers of other libraries: Lightning and Hugging Face.

Each module imports the library that it is for, so import the one you need by its name.
"""
