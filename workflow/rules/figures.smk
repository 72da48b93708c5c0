"""Figures: all of a cell by one process, or one by itself when it is asked for by name."""


ruleorder: draw_figure > draw_figures > draw_figures_greedy > draw_settings_figures


def figure_files(mode, setting):
    """Return the files that a cell's figures go to; none while the groups have yet to be fetched."""
    decoding = next(
        (
            name
            for name, decoding in STUDY.decodings.items()
            if mode in (decoding.mode, "any")
        ),
        None,
    )
    if decoding is None or not prompts_are_here():
        return []
    folder = f"<results>/figures/{{pair}}/{{decoding}}/{setting}"
    return [
        f"{folder}/{stem}.{end}"
        for stem in figures_of(decoding, setting, _load_prompts())
        for end in ("pdf", "png")
    ]


def decodings_of(mode):
    """Return a constraint that only the decodings of one mode meet."""
    return (
        "|".join(
            name for name, decoding in STUDY.decodings.items() if decoding.mode == mode
        )
        or "(?!)"
    )


def csv_tables(names):
    return table_names.only_csv(names)


def specs_of(scopes):
    """Return the entries of figures.yaml that a rule draws, so that other entries' edits leave it alone."""
    return json.dumps([spec.model_dump() for spec in FIGURES if spec.scope in scopes])


def figure_spec(wildcards):
    return figures_of(wildcards.decoding, wildcards.setting, study_prompts())[
        wildcards.figure
    ][0]


def figure_tables(wildcards):
    """Return the tables that one figure is drawn from."""
    folder = Path(STUDY.results) / "tables" / cell_of(wildcards).folder
    return [
        str(file) for file in figure_plan.table_files(figure_spec(wildcards), folder)
    ]


def figure_code(wildcards):
    return [
        str(file.relative_to(Path.cwd()))
        for file in figure_plan.code_files(figure_spec(wildcards).kind)
    ]


rule draw_figures:
    input:
        prompts="<results>/study/prompts.parquet",
        tables=[
            f"<results>/tables/{{pair}}/{{decoding}}/{{setting}}/{name}"
            for name in csv_tables(table_names.cell_table_names(grouping_names()))
        ],
        code=sources("src/specgap/figures/*.py", "src/specgap/figures/*.mplstyle"),
    output:
        index="<results>/figures/{pair}/{decoding}/{setting}/index.json",
        # Kept when the rule runs again: a figure that nothing has changed is not redrawn.
        figures=update(figure_files("sampled", "{setting}")),
    log:
        "<logs>/draw_figures/{pair}/{decoding}/{setting}.log",
    wildcard_constraints:
        decoding=decodings_of("sampled"),
    conda:
        "../../envs/analysis.yaml"
    params:
        specs=fixed(specs_of({"cell", "group"})),
    message:
        "Drawing {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "python scripts/draw_figures.py {CONFIG_FILE:q} {input.prompts:q} {params.specs:q}"
        " {wildcards.pair:q} {wildcards.decoding:q} {wildcards.setting:q} 2> {log:q}"


use rule draw_figures as draw_figures_greedy with:
    output:
        index="<results>/figures/{pair}/{decoding}/{setting}/index.json",
        figures=update(figure_files("greedy", "{setting}")),
    wildcard_constraints:
        decoding=decodings_of("greedy"),


rule draw_settings_figures:
    input:
        prompts="<results>/study/prompts.parquet",
        tables=[
            f"<results>/tables/{{pair}}/{{decoding}}/all/{name}"
            for name in csv_tables(table_names.settings_table_names())
        ],
        code=sources("src/specgap/figures/*.py", "src/specgap/figures/*.mplstyle"),
    output:
        index="<results>/figures/{pair}/{decoding}/all/index.json",
        figures=update(figure_files("any", "all")),
    log:
        "<logs>/draw_settings_figures/{pair}/{decoding}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        specs=fixed(specs_of({"settings"})),
    message:
        "Drawing all settings of {wildcards.pair}, {wildcards.decoding}"
    shell:
        "python scripts/draw_figures.py {CONFIG_FILE:q} {input.prompts:q} {params.specs:q}"
        " {wildcards.pair:q} {wildcards.decoding:q} all 2> {log:q}"


rule draw_figure:
    input:
        prompts="<results>/study/prompts.parquet",
        tables=figure_tables,
        code=figure_code,
    output:
        "<results>/figures/{pair}/{decoding}/{setting}/{figure}.pdf",
        "<results>/figures/{pair}/{decoding}/{setting}/{figure}.png",
    log:
        "<logs>/draw_figure/{pair}/{decoding}/{setting}/{figure}.log",
    wildcard_constraints:
        setting="[^/]+",
    conda:
        "../../envs/analysis.yaml"
    params:
        spec=lambda wildcards: json.dumps([figure_spec(wildcards).model_dump()]),
    message:
        "Drawing {wildcards.figure} of {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}"
    shell:
        "python scripts/draw_figures.py {CONFIG_FILE:q} {input.prompts:q} {params.spec:q}"
        " {wildcards.pair:q} {wildcards.decoding:q} {wildcards.setting:q} --only {wildcards.figure:q} 2> {log:q}"


rule figures:
    input:
        [
            f"<results>/figures/{cell.folder}/index.json"
            for cell in [*cells(drawn=True), *settings_cells()]
        ],
