"""Where the rules over pairs find what they compare; more of `common.smk`."""


def compared_cell(decoding):
    """Return the cell over all pairs of a decoding, None where there are not two."""
    return next((cell for cell in compared_cells(STUDY) if cell.decoding == decoding), None)


def compared_counts(wildcards):
    """Return what was counted of all pairs of a decoding at its main setting: states, or a server's counts."""
    pairs = layout.compared_pairs(STUDY, wildcards.decoding)
    if STUDY.collector == "counts":
        return [STUDY.pairs[pair].counts for pair in pairs]
    setting = compared_cell(wildcards.decoding).setting
    cells = [Cell(pair, wildcards.decoding, setting) for pair in pairs]
    return [str(layout.state_file(Path(STUDY.results), cell)) for cell in cells]


def pairs_script():
    """Return the script that tabulates pairs: those of a server's counts know no states, so no `rust_agg`."""
    return "tabulate_served_pairs.py" if STUDY.collector == "counts" else "tabulate_pairs.py"


def pairs_figures(decoding):
    """Return the figures over all pairs of a decoding, by file name without its ending."""
    cell = compared_cell(decoding)
    return list(figure_plan.figures_of(FIGURES, STUDY, cell, ())) if cell else []
