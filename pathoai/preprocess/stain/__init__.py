"""Stains: how much of each lies in a pixel, what each slide's look like, and other slides' in turn.

Everything here is linear in optical density, so one operation does the work: an affine map of
density, `change_density`, the same on every device.
"""
