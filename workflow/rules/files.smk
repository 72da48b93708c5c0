"""Where the rules of traces, replay, tables and figures find their files; more of `common.smk`."""

import shlex

#: What the facts in the header of every figure of one setting are read from.
HEADER_TABLE = "acceptance--overall.csv"


def counted_files(wildcards):
    """Return what a state is made of: done files, or the states of a cell's parts."""
    parts = plan_parts(jobs_of(wildcards.decoding, wildcards.setting).values(), STUDY.aggregate.jobs)
    files = layout.counted_files(Path(STUDY.results), cell_of(wildcards), parts, wildcards.get("part"))
    return [str(file) for file in files]


def counting_command(wildcards, input, threads):
    """Return the script that makes a state of such files, with its first arguments."""
    if input.counted[0].endswith(".rust_agg"):
        cell = [wildcards.pair, wildcards.decoding, wildcards.setting]
        return shlex.join(["merge_states.py", CONFIG_FILE, *cell, input.prompts])
    command = ["aggregate.py", f"--threads={threads}", CONFIG_FILE, wildcards.setting, input.prompts]
    return shlex.join(command)


def path_identity(wildcards):
    job = jobs_of(wildcards.decoding)[wildcards.job]
    return identity.path_identity(STUDY, Cell(wildcards.pair, wildcards.decoding), job, study_prompts().texts)


def tail_identity(wildcards):
    return identity.tail_identity(STUDY, wildcards.decoding)


def replay_identity(wildcards):
    """Return what a setting's records depend on beside paths and tails; a new setting changes no other's."""
    return identity.replay_identity([STUDY.setting(wildcards.setting)], study_prompts())


def sweep_identity(wildcards):
    return identity.replay_identity(STUDY.swept_settings_of(wildcards.decoding), study_prompts())


def all_done(kind, wildcards):
    """Return what says that all paths or tails of a pair and decoding are there."""
    cell = Cell(wildcards.pair, wildcards.decoding)
    return [str(done_file(Path(STUDY.results), cell, job, kind)) for job in jobs_of(cell.decoding)]


def same_job(kind, wildcards):
    return [f"{STUDY.results}/{kind}/{wildcards.pair}/{wildcards.decoding}/{wildcards.job}.done.json"]


def replayed(kind):
    """Return a function of the paths or tails that a job of a setting is made from: all where γ is carried."""

    def files(wildcards):
        carried = STUDY.setting(wildcards.setting).carry_state
        return all_done(kind, wildcards) if carried else same_job(kind, wildcards)

    return files


def swept_tails(wildcards):
    """Return the tails of settings without records; none where the config wants none."""
    wanted = STUDY.tailed_settings_of(wildcards.decoding, full=False)
    swept = STUDY.swept_settings_of(wildcards.decoding)
    return all_done("tails", wildcards) if any(setting in wanted for setting in swept) else []


def swept_names(decoding):
    return [setting.name for setting in STUDY.swept_settings_of(decoding)]


def facts_file(wildcards):
    """Return a done file of a pair and decoding, which knows the models."""
    if STUDY.replayed_settings_of(wildcards.decoding):
        return all_done("paths", wildcards)[0]
    first = STUDY.settings_of(wildcards.decoding)[0].name
    return done_files(Cell(wildcards.pair, wildcards.decoding, first))[0]


def states_of(wildcards, settings):
    """Return the states of settings of a pair and decoding, each once."""
    cells = [Cell(wildcards.pair, wildcards.decoding, setting.name) for setting in settings]
    return [str(layout.state_file(Path(STUDY.results), cell)) for cell in dict.fromkeys(cells)]


def cross_checks(wildcards):
    return table_names.cross_checks(STUDY, wildcards.decoding)


def state_cell(wildcards):
    setting = table_names.state_setting(STUDY, wildcards.decoding)
    return Cell(wildcards.pair, wildcards.decoding, setting.name)


def figures_of(cell, prompts, by_name=False):
    """Return the figures of a cell by file name without its ending; with `by_name`, all that may be asked for."""
    groups = prompts.groups_of(grouping_names()[0])
    return figure_plan.figures_of(FIGURES, STUDY, cell, groups, by_name=by_name)


def cells_with_figures(mode, whole):
    """Return a mode's cells, of any pair, that have the whole figure set, or those that have few of it."""
    decodings = {name: STUDY.figure_settings_of(name) for name in decodings_of(mode)}
    cells = [Cell("{pair}", name, one.name) for name, settings in decodings.items() for one in settings]
    return [cell for cell in cells if figure_plan.has_whole_set(STUDY, cell) == whole]


def setting_of(cells):
    """Return a constraint on a setting that these cells alone meet: a path has the decoding before it."""
    names = [(re.escape(cell.decoding), re.escape(cell.setting)) for cell in cells]
    return "|".join(f"(?<=/{decoding}/){setting}" for decoding, setting in names) or "(?!)"


def drawn_tables():
    """Return the names of the tables that the figures of a cell are drawn from."""
    groupings = grouping_names()
    if STUDY.collector == "counts":
        return table_names.count_table_names(groupings)
    names = table_names.cell_table_names, table_names.inference_table_names, table_names.surer_table_names
    return [name for of_kind in names for name in of_kind(groupings)]


def few_specs():
    """Return the figures of settings that have few of them; none where all settings have the whole set."""
    cells = [cell for mode in ("sampled", "greedy") for cell in cells_with_figures(mode, whole=False)]
    return figure_plan.drawn_specs(FIGURES, STUDY, cells[0]) if cells else []


def few_tables():
    """Return the names of the tables that those, and the facts in their headers, are drawn from."""
    drawn = [f"{table}.csv" for spec in few_specs() for table in spec.tables]
    return list(dict.fromkeys([*drawn, HEADER_TABLE]))


def figure_files(cells):
    """Return the files that the figures of such cells go to; none while the groups have yet to be fetched."""
    return with_endings("{setting}", figures_of(cells[0], PROMPTS)) if cells and PROMPTS else []


def figure_spec(wildcards):
    with one_sentence():
        figures = figures_of(cell_of(wildcards), study_prompts(), by_name=True)
        return figure_plan.named(figures, wildcards.figure)[0]


def figure_tables(wildcards):
    """Return the tables that one figure is drawn from, and what the facts in its header are read from."""
    folder = Path(STUDY.results) / "tables" / cell_of(wildcards).folder
    header = "settings.csv" if wildcards.setting == ALL_SETTINGS else HEADER_TABLE
    drawn = figure_plan.table_files(figure_spec(wildcards), folder)
    return list(map(str, dict.fromkeys([*drawn, folder / header])))


def figure_code(wildcards):
    return list(map(os.path.relpath, figure_plan.code_files(figure_spec(wildcards).kind)))


def settings_figures(decoding):
    """Return the figures over all settings of a decoding, by file name without its ending."""
    return list(figure_plan.figures_of(FIGURES, STUDY, Cell("", decoding, ALL_SETTINGS), ()))


def with_endings(folder, stems):
    return [
        f"<results>/figures/{{pair}}/{{decoding}}/{folder}/{stem}.{end}"
        for stem in stems
        for end in ("pdf", "png")
    ]


def timed_cell(wildcards):
    """Return the cell whose speed-up is measured: the first setting of transformers' own rounds."""
    for setting in STUDY.settings_of(wildcards.decoding):
        if STUDY.collector_of(setting) == "assisted":
            return Cell(wildcards.pair, wildcards.decoding, setting.name)
    with one_sentence():
        raise ConfigError(
            f"decoding {wildcards.decoding!r} has no setting with collector assisted; "
            "wanted one, since a speed-up is measured on real rounds"
        )


def timed_files(wildcards):
    folder = f"{STUDY.results}/timings/{timed_cell(wildcards).folder}"
    return [f"{folder}/plain.parquet", f"{folder}/assisted.parquet"]


def speed_identity(wildcards):
    cell, texts = cell_of(wildcards), study_prompts().texts
    jobs = jobs_of(cell.decoding, cell.setting).values()
    return [identity.trace_identity(STUDY, cell, job, texts) for job in jobs]


def prompt_origin():
    """Return what says which commit a dataset's rows are from; other prompts have none."""
    return (
        [str(prompt_sets.origin_file(Path(STUDY.resources_folder), STUDY.prompts))]
        if STUDY.prompts.dataset and not STUDY.partial
        else []
    )


def model_runs(wildcards):
    """Return what says with which models, libraries and devices paths and real rounds were made."""
    return [
        file
        for cell in layout.run_cells(STUDY)
        for file in (done_files(cell) if cell.setting else all_done("paths", cell))
    ]
