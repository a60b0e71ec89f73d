"""Packaging of scaseg; tool settings live in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """The version in scaseg/__init__.py, read as text because scaseg may not be importable yet."""
    source = (ROOT / 'scaseg' / '__init__.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'$", source, flags=re.MULTILINE)
    if match is None:
        raise RuntimeError("scaseg/__init__.py has no line of the form __version__ = '1.2.3'")
    return match.group(1)


def read_requirements() -> list[str]:
    """The requirements in requirements.txt, one per entry, without comments."""
    lines = (ROOT / 'requirements.txt').read_text(encoding='utf-8').splitlines()
    requirements = (line.split('#')[0].strip() for line in lines)
    return [requirement for requirement in requirements if requirement]


setup(
    name='scaseg',
    version=read_version(),
    description='Strip cross-attention decoders for efficient semantic segmentation, on mmsegmentation',
    license='Apache-2.0',
    packages=find_packages(include=['scaseg', 'scaseg.*']),
    package_data={'scaseg.visualization': ['*.jinja']},
    python_requires='>=3.11',
    install_requires=read_requirements(),
    extras_require={
        'dev': [
            'pytest',
            'pytest-xdist',
            'ruff',
            'mypy',
            'pre-commit',
            'onnx',
            'onnxscript',
            'onnxruntime',
            'scikit-learn',
            'playwright',
            'submitit',
        ],
        'export': ['onnx', 'onnxscript', 'onnxruntime'],
        'demo': ['gradio'],
        'slurm': ['submitit'],
    },
)
