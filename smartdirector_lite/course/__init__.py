"""What the notebooks and the labs call: checks of exercises, figures, widgets, and helpers for Jupyter."""
