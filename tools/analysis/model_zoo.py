"""Write configs/*/metafile.yml and README.md anew from the configs and docs/results/published.csv.

Run it after adding a config or a published figure: python tools/analysis/model_zoo.py
"""

import argparse
import csv
import re
from pathlib import Path
from typing import Any

import yaml

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.errors import UserError  # noqa: E402

REPOSITORY = Path(__file__).parents[2]

NAME = re.compile(
    r'(?P<method>[a-z-]+)_(?P<encoder>[a-z0-9-]+)_(?P<setting>(?P<gpus>\d+)xb(?P<batch>\d+)-(?P<schedule>\d+(k|it))'
    r'_(?P<dataset>[a-z0-9-]+)-(?P<crop>\d+x\d+))'
)
COSTS = re.compile(r'^# ([\d.]+) M parameters, ([\d.]+) GMACs at (\d+x\d+)\.', re.MULTILINE)


def update_metafile(path: Path, published: Path, root: Path) -> dict[str, Any]:
    """A metafile whose models are the configs in its folder, in the order of their names.

    Args:
        path: the metafile, with its ``Collections``.
        published: table of published figures: method, encoder, setting, gflops, mIoU, mIoU(ms+flip), source.
        root: the repository, which paths are relative to.

    Raises:
        UserError: a config's name or header is not as CONTRIBUTING.md says, or a published figure has no config.
    """
    collection = yaml.safe_load(path.read_text())['Collections'][0]
    method = path.parent.name
    figures = [row for row in csv.DictReader(published.open(newline='')) if row['method'] == method]
    models = [_model(config, collection['Name'], figures, root) for config in sorted(path.parent.glob('*.py'))]
    names = {model['Name'] for model in models}
    for row in figures:
        if _stem(row) not in names:
            raise UserError(f'{published}: {_stem(row)} is not a config of configs/{method}')
    return {'Collections': [collection], 'Models': models}


def dump_metafile(metafile: dict[str, Any]) -> str:
    """The text of a metafile."""
    return yaml.safe_dump(metafile, sort_keys=False, allow_unicode=True, width=119)


def render_readme(metafile: dict[str, Any]) -> str:
    """The README of a method: its models in a table, published figures in columns of their own."""
    collection = metafile['Collections'][0]
    paper = collection['Paper']
    code, page = collection['Code']['URL'], f'docs/{Path(collection["README"]).parent.name}.md'
    columns = 'config, encoder, data set, crop, batch, iterations, parameters (M), GMACs, at, published mIoU, source'
    lines = [
        f'# {collection["Name"]}',
        '',
        f'[{paper["Title"]}]({paper["URL"]}).',
        f'Head: `{collection["Metadata"]["Architecture"][0]}` in [`{code}`](../../{code});',
        f'decisions and departures are in [{page}](../../{page}).',
        '',
        'Parameters and GMACs are counted by `tools/analysis/complexity.py` at the size in the table. Published',
        'figures are in percent, single scale / multi-scale with flips, each with its source. Written from',
        '[metafile.yml](metafile.yml) by `python tools/analysis/model_zoo.py`.',
        '',
        f'| {columns.replace(", ", " | ")} |',
        '| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | --- |',
    ]
    for model in metafile['Models']:
        about = model['Metadata']
        figures = model.get('Published', [])
        cells = [
            f'[config]({Path(model["Config"]).name})',
            about['Architecture'][0],
            about['Training Data'],
            about['Crop'],
            about['Batch Size'],
            about['Iterations'],
            f'{about["Parameters (M)"]:.2f}',
            f'{about["GMACs"]:.2f}',
            about['Counted at'],
            '<br>'.join(' / '.join(f'{value}' for value in figure['Metrics'].values()) for figure in figures),
            '<br>'.join(figure['Source'] for figure in figures),
        ]
        lines.append('| ' + ' | '.join(map(str, cells)) + ' |')
    return '\n'.join(lines) + '\n'


def _model(config: Path, collection: str, figures: list[dict[str, str]], root: Path) -> dict[str, Any]:
    name, costs = NAME.fullmatch(config.stem), COSTS.search(config.read_text())
    if name is None or costs is None:
        raise UserError(f'{config}: its name or the line with its costs is not as CONTRIBUTING.md says')
    model: dict[str, Any] = {
        'Name': config.stem,
        'In Collection': collection,
        'Config': config.relative_to(root).as_posix(),
        'Metadata': {
            'Architecture': [name['encoder']],
            'Training Data': name['dataset'],
            'Crop': name['crop'],
            'Batch Size': int(name['gpus']) * int(name['batch']),
            'Iterations': int(name['schedule'].rstrip('kit')) * (1000 if name['schedule'].endswith('k') else 1),
            'Parameters (M)': float(costs[1]),
            'GMACs': float(costs[2]),
            'Counted at': costs[3],
        },
    }
    published = [_published(row, name['dataset']) for row in figures if _stem(row) == config.stem]
    return model | ({'Published': published} if published else {})


def _published(row: dict[str, str], dataset: str) -> dict[str, Any]:
    metrics = {key: float(row[key]) for key in ('mIoU', 'mIoU(ms+flip)') if row[key]}
    costs = {'GFLOPs': float(row['gflops'])} if row['gflops'] else {}
    task = {'Task': 'Semantic Segmentation', 'Dataset': dataset, 'Metrics': metrics}
    return task | costs | {'Source': row['source']}


def _stem(row: dict[str, str]) -> str:
    return f'{row["method"]}_{row["encoder"]}_{row["setting"]}'


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for path in sorted(REPOSITORY.glob('configs/*/metafile.yml')):
        metafile = update_metafile(path, REPOSITORY / 'docs' / 'results' / 'published.csv', REPOSITORY)
        path.write_text(dump_metafile(metafile))
        (path.parent / 'README.md').write_text(render_readme(metafile))
        print(f'{path.parent.name}: {len(metafile["Models"])} models')


if __name__ == '__main__':
    run_tool(main)
