"""What each rule asks a cluster for, from `specgap.resources`; more of `common.smk`."""

from snakemake.exceptions import IncompleteCheckpointException

from specgap import resources as needs


def n_continuations(wildcards):
    """Return how many (prompt, sample) a trace job has; those of a whole cell or decoding without a job."""
    jobs = jobs_of(wildcards.decoding, wildcards.get("setting", ""))
    chosen = [jobs[wildcards.job]] if "job" in wildcards.keys() else jobs.values()
    return sum(len(shard.prompts) for job in chosen for shard in job.shards)


def trace_needs(wildcards):
    names = wildcards.pair, wildcards.decoding
    setting = wildcards.get("setting", "")
    return needs.trace_needs(STUDY, *names, setting=setting, n_prompts=n_continuations(wildcards))


def timing_needs(wildcards):
    names = wildcards.pair, wildcards.decoding
    return needs.timing_needs(STUDY, *names, n_prompts=n_continuations(wildcards))


def measure_needs(wildcards):
    return needs.measure_needs(STUDY, wildcards.pair, n_prompts=len(study_prompts().distinct))


def counting_needs(wildcards):
    """Return what it takes to count a cell, or a decoding's sweep where there is no setting."""
    n_settings = 1 if "setting" in wildcards.keys() else len(STUDY.swept_settings_of(wildcards.decoding))
    length = STUDY.decodings[wildcards.decoding].max_new_tokens
    return needs.step_needs("count", tokens=n_continuations(wildcards) * length * n_settings)


def memory(needed):
    """Return a resource function: memory in MB, more on each attempt."""
    return lambda wildcards, attempt: _needed(needed, wildcards).at(attempt).mem_mb


def minutes(needed):
    return lambda wildcards, attempt: _needed(needed, wildcards).at(attempt).minutes


def _needed(needed, wildcards):
    try:
        return needed(wildcards)
    # Prompts that have yet to be fetched. The job is planned anew once they are there, and Snakemake 9.27 ends in
    # an AttributeError where a resource function lets this pass.
    except IncompleteCheckpointException:
        return needs.step_needs("tabulate")


def step_memory(step):
    return memory(lambda wildcards: needs.step_needs(step))


def step_minutes(step):
    return minutes(lambda wildcards: needs.step_needs(step))


# On a cluster each submission has GPUs of its own; one machine's limit (profiles/default) holds on that machine.
resource_scopes:
    gpu="local",
