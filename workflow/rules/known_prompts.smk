"""The prompts that rules know of, and the files they are read from; more of `common.smk`."""

@functools.cache
def _fetched_prompts():
    with one_sentence():
        return prompt_sets.load_prompts(STUDY)


def study_prompts():
    """Return the prompt set; where a rule fetches its files, as they are once that rule need not run (again)."""
    if STUDY.bundled or STUDY.partial or not prompt_sets.needs_fetch(STUDY):
        return PROMPTS
    (checkpoints.fetch_honest if STUDY.prompts.fetch else checkpoints.fetch_dataset).get()
    return _fetched_prompts()


def prompt_files(wildcards):
    """Return the prompt files for a rule whose params say which texts matter, so that groups change at no cost."""
    study_prompts()
    return ancient(prompt_sources())


def prompt_sources():
    """Return the prompt files; of a partial study, those that the user has."""
    fetched = STUDY.partial and prompt_sets.needs_fetch(STUDY)
    return [] if fetched else [str(file) for file in prompt_sets.source_files(STUDY)]


def dataset_folder_files():
    """Return the files of a dataset that is a folder on this disk; an id has none."""
    folder = STUDY.prompts.dataset
    return sorted(map(str, filter(Path.is_file, Path(folder).rglob("*")))) if folder else []
