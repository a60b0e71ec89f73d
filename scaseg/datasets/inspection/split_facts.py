"""What the files of one split hold together, added up one by one."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from scaseg.datasets.bands import mean_and_std
from scaseg.datasets.label_code import IGNORED

from .file_facts import SampleFacts


@dataclass
class SplitFacts:
    """Sums over the samples of a split; what is kept of a sample is some 500 bytes.

    Attributes:
        name: ``'train'`` or ``'val'``.
        classes: names of the classes.
        reduce_zero_label: whether the data set takes 1 off the ids.
        coded: whether a ``dataset.yaml`` says what each value means.
        takes_deep_images: whether the pipeline reads images of more than 8 bits.
        complete: whether all files of the split are in it, not a sample.
        samples: all that were added; values of labels and bands are in the sums alone.
        pixels: (K,) pixels of each class.
        files: (K,) label files in which each class occurs.
        ignored: pixels of no class.
        labelled_files: label files that were read.
        values: value in the label files → its pixels.
        bands: (bands, 3) or ``None``, see ``SampleFacts.band_sums``.
        notes: sentences on files that are left out.
    """

    name: str
    classes: tuple[str, ...]
    reduce_zero_label: bool = False
    coded: bool = False
    takes_deep_images: bool = False
    complete: bool = True
    samples: list[SampleFacts] = field(default_factory=list)
    pixels: np.ndarray = field(init=False)
    files: np.ndarray = field(init=False)
    ignored: int = 0
    labelled_files: int = 0
    values: Counter[int] = field(default_factory=Counter)
    bands: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pixels = np.zeros(len(self.classes), np.int64)
        self.files = np.zeros(len(self.classes), np.int64)

    def add(self, sample: SampleFacts) -> None:
        """Add a sample to the sums."""
        for label, count in sample.class_pixels.items():
            if label == IGNORED:
                self.ignored += count
            else:
                self.pixels[label] += count
                self.files[label] += 1
        self.values.update(sample.values)
        self.labelled_files += sample.label_size is not None
        if sample.band_sums is not None:
            same = self.bands is not None and self.bands.shape == sample.band_sums.shape
            self.bands = self.bands + sample.band_sums if same else sample.band_sums
            sample.band_sums = None
        self.samples.append(sample)

    @property
    def labelled(self) -> list[SampleFacts]:
        """Samples whose label file was read."""
        return [sample for sample in self.samples if sample.label_size is not None]

    def mean_std(self) -> list[tuple[float, float]]:
        """Mean and standard deviation of each band (RGB, or in the order of the file), over all pixels."""
        return [] if self.bands is None else list(zip(*mean_and_std(self.bands), strict=True))

    def median_frequency_weights(self) -> np.ndarray:
        """Median frequency balancing (Eigen and Fergus, 2015); nan for classes that do not occur."""
        if not self.pixels.any():
            return np.full(len(self.classes), np.nan)
        with np.errstate(divide='ignore', invalid='ignore'):
            share = self.pixels / (self.files * self._mean_size())
            weights = np.median(share[self.pixels > 0]) / share
        return np.where(self.pixels > 0, weights, np.nan)

    def effective_number_weights(self, beta: float = 0.999) -> np.ndarray:
        """Class-balanced weights (Cui et al., 2019) of the images with a class, of mean 1; nan where there is none."""
        with np.errstate(divide='ignore'):
            weights = (1 - beta) / (1 - np.power(beta, self.files.astype(np.float64)))
        weights = np.where(self.files > 0, weights, np.nan)
        return weights / np.nanmean(weights) if (self.files > 0).any() else weights

    def _mean_size(self) -> float:
        return max(1.0, (self.pixels.sum() + self.ignored) / max(1, self.labelled_files))
