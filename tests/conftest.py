"""How Hypothesis runs here: the same examples every time, and no deadline, since machines are shared."""

from hypothesis import settings

settings.register_profile("specgap", deadline=None, derandomize=True)
settings.load_profile("specgap")
