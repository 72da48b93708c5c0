"""`references.bib`: what the methods cite."""

#: Citation key to entry, as `[@key]` in the methods.
ENTRIES = {
    "chen2023": """@misc{chen2023,
  author        = {Chen, Charlie and Borgeaud, Sebastian and Irving, Geoffrey and Lespiau, Jean-Baptiste
                   and Sifre, Laurent and Jumper, John},
  title         = {Accelerating Large Language Model Decoding with Speculative Sampling},
  year          = {2023},
  eprint        = {2302.01318},
  archiveprefix = {arXiv},
}""",
    "clark1973": """@article{clark1973,
  author  = {Clark, Herbert H.},
  title   = {The Language-as-Fixed-Effect Fallacy: A Critique of Language Statistics in Psychological
             Research},
  journal = {Journal of Verbal Learning and Verbal Behavior},
  volume  = {12},
  number  = {4},
  pages   = {335--359},
  year    = {1973},
  doi     = {10.1016/S0022-5371(73)80014-3},
}""",
    "leviathan2023": """@inproceedings{leviathan2023,
  author    = {Leviathan, Yaniv and Kalman, Matan and Matias, Yossi},
  title     = {Fast Inference from Transformers via Speculative Decoding},
  booktitle = {Proceedings of the 40th International Conference on Machine Learning},
  series    = {Proceedings of Machine Learning Research},
  volume    = {202},
  pages     = {19274--19286},
  year      = {2023},
  note      = {arXiv:2211.17192},
}""",
    "molder2021": """@article{molder2021,
  author  = {M{\\"o}lder, Felix and Jablonski, Kim Philipp and Letcher, Brice and Hall, Michael B.
             and others},
  title   = {Sustainable Data Analysis with {Snakemake}},
  journal = {F1000Research},
  volume  = {10},
  pages   = {33},
  year    = {2021},
  doi     = {10.12688/f1000research.29032.2},
}""",
    "nozza2021": """@inproceedings{nozza2021,
  author    = {Nozza, Debora and Bianchi, Federico and Hovy, Dirk},
  title     = {{HONEST}: Measuring Hurtful Sentence Completion in Language Models},
  booktitle = {Proceedings of the 2021 Conference of the North American Chapter of the Association for
               Computational Linguistics: Human Language Technologies},
  pages     = {2398--2406},
  year      = {2021},
  url       = {https://aclanthology.org/2021.naacl-main.191},
}""",
    "nozza2022": """@inproceedings{nozza2022,
  author    = {Nozza, Debora and Bianchi, Federico and Lauscher, Anne and Hovy, Dirk},
  title     = {Measuring Harmful Sentence Completion in Language Models for {LGBTQIA+} Individuals},
  booktitle = {Proceedings of the Second Workshop on Language Technology for Equality, Diversity and
               Inclusion},
  pages     = {26--34},
  year      = {2022},
  url       = {https://aclanthology.org/2022.ltedi-1.4},
}""",
    "wolf2020": """@inproceedings{wolf2020,
  author    = {Wolf, Thomas and Debut, Lysandre and Sanh, Victor and Chaumond, Julien and others},
  title     = {Transformers: State-of-the-Art Natural Language Processing},
  booktitle = {Proceedings of the 2020 Conference on Empirical Methods in Natural Language Processing:
               System Demonstrations},
  pages     = {38--45},
  year      = {2020},
  url       = {https://aclanthology.org/2020.emnlp-demos.6},
}""",
}


def references() -> str:
    """Return the BibTeX file, sorted by key."""
    return "\n\n".join(ENTRIES[key] for key in sorted(ENTRIES)) + "\n"
