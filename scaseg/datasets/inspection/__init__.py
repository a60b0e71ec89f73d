"""What the files of a data set hold, and what of it is probably wrong."""

from .file_facts import SampleFacts, inspect_sample
from .findings import Finding, find_faults
from .split_facts import SplitFacts

__all__ = ['Finding', 'SampleFacts', 'SplitFacts', 'find_faults', 'inspect_sample']
