"""Traces: one job per pair, decoding, setting and group of shards."""


def job_of(wildcards):
    return next(job for job in jobs_of(wildcards) if job.name == wildcards.job)


def trace_identity(wildcards):
    """Return a digest of everything in the config and the prompts that a job's rows depend on."""
    job, texts = job_of(wildcards), study_prompts().texts
    return digest(
        STUDY.pairs[wildcards.pair].model_dump(),
        STUDY.decodings[wildcards.decoding].model_dump(exclude={"settings"}),
        STUDY.setting(wildcards.setting).model_dump(exclude={"name"}),
        STUDY.prompt_format.model_dump(),
        [
            STUDY.collector,
            STUDY.seed,
            STUDY.device,
            STUDY.resources.gpu,
            STUDY.shards.number,
        ],
        [
            [shard.name, [texts[prompt] for prompt in shard.prompts]]
            for shard in job.shards
        ],
    )


rule collect_traces:
    input:
        prompts=prompt_files,
        models=model_files,
    output:
        "<results>/traces/{pair}/{decoding}/{setting}/{job}.done.json",
    log:
        "<logs>/collect_traces/{pair}/{decoding}/{setting}/{job}.log",
    conda:
        "../../envs/trace.yaml"
    threads: STUDY.shards.threads
    resources:
        gpu=STUDY.resources.gpu,
    params:
        identity=trace_identity,
    message:
        "Tracing {wildcards.pair}, {wildcards.decoding}, {wildcards.setting}, job {wildcards.job}"
    shell:
        "python scripts/collect_traces.py {CONFIG_FILE:q} {wildcards.pair:q}"
        " {wildcards.decoding:q} {wildcards.setting:q} {wildcards.job:q} 2> >(tee {log:q} >&2)"
