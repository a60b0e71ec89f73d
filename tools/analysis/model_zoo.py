"""Write configs/*/metafile.yml and README.md anew from the configs and docs/results/published.csv.

Run it after adding a config or a published figure: python tools/analysis/model_zoo.py
"""

import argparse

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.benchmark import REPOSITORY  # noqa: E402
from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.apis.model_zoo import dump_metafile, render_readme, update_metafile  # noqa: E402


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for path in sorted(REPOSITORY.glob('configs/*/metafile.yml')):
        metafile = update_metafile(path, REPOSITORY / 'docs' / 'results' / 'published.csv', REPOSITORY)
        path.write_text(dump_metafile(metafile))
        (path.parent / 'README.md').write_text(render_readme(metafile))
        print(f'{path.parent.name}: {len(metafile["Models"])} models')


if __name__ == '__main__':
    run_tool(main)
