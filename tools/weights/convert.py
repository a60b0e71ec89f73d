"""Turn an official checkpoint into ours: python tools/weights/convert.py CONFIG OFFICIAL_CHECKPOINT OUT.pth

The config is one of this repository, of the method and size that the checkpoint was trained with. The conversion is
refused unless every tensor of the model is filled and none of the file is left over.
"""

import argparse

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis import convert  # noqa: E402
from scaseg.apis.cli import run_tool  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument('source', metavar='OFFICIAL_CHECKPOINT', help='file of the whole segmentor')
    parser.add_argument('out', metavar='OUT.pth', help='file to write; it must not exist')
    args = parser.parse_args()
    convert(args.config, args.source, args.out)
    print(args.out)


if __name__ == '__main__':
    run_tool(main)
