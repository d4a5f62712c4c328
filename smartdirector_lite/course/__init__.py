"""What the notebooks and labs call: checks of exercises, figures, widgets, helpers."""
