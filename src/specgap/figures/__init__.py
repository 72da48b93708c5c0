"""Figures: `config/figures.yaml` says what is drawn, a registered function says how.

`spec` and `plan` are light (the Snakefile imports them at every parse); `draw` imports matplotlib.
"""
