"""Figures for the notebooks. Only the modules of this package import matplotlib (the extra `notebooks`).

A function that draws a figure returns a matplotlib Figure and shows nothing; `course.notebook.show_figure` shows it.
"""
