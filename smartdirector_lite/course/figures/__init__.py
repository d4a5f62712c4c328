"""Figures. matplotlib is imported below this package only; every function returns a Figure and shows nothing."""
