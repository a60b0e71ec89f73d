"""CCNet as its authors publish it: ResNet, recurrent criss-cross attention and an auxiliary head.

The config for them is ``configs/ccnet/ccnet_r101-d8-official_4xb2-60k_cityscapes-769x769.py``. Checkpoints of mmseg's
``CCHead`` have our names already and pass unchanged.
"""

from collections.abc import Mapping

from torch import Tensor

MODULES = {
    'conv1': 'backbone.stem.0',
    'bn1': 'backbone.stem.1',
    'conv2': 'backbone.stem.3',
    'bn2': 'backbone.stem.4',
    'conv3': 'backbone.stem.6',
    'bn3': 'backbone.stem.7',
    'layer1': 'backbone.layer1',
    'layer2': 'backbone.layer2',
    'layer3': 'backbone.layer3',
    'layer4': 'backbone.layer4',
    'head.conva.0': 'decode_head.convs.0.conv',
    'head.conva.1': 'decode_head.convs.0.bn',
    'head.cca': 'decode_head.cca',
    'head.convb.0': 'decode_head.convs.1.conv',
    'head.convb.1': 'decode_head.convs.1.bn',
    'head.bottleneck.0': 'decode_head.conv_cat.conv',
    'head.bottleneck.1': 'decode_head.conv_cat.bn',
    'head.bottleneck.3': 'decode_head.conv_seg',
    'dsn.0': 'auxiliary_head.convs.0.conv',
    'dsn.1': 'auxiliary_head.convs.0.bn',
    'dsn.3': 'auxiliary_head.conv_seg',
}
FIRST_RELEASE = {'head.conv1a.': 'head.conva.', 'head.pc.': 'head.cca.', 'head.conv1b.': 'head.convb.'}  # its names
ABN_EPSILON = 1e-5


def convert_ccnet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official CCNet to ``RCCAHead`` and mmseg's ``FCNHead`` on mmseg's ``ResNetV1c``.

    Norms are InPlaceABN, which scales by |weight| + 1e-5. The first convolution of the auxiliary head has a bias and
    ours has none: the running mean of the norm behind it takes it up. γ, a list of one number, becomes a number.
    """
    tensors = {_current_name(name): tensor for name, tensor in state.items()}
    bias = tensors.pop('dsn.0.bias', None)
    if bias is not None:
        tensors['dsn.1.running_mean'] = tensors['dsn.1.running_mean'] - bias
    converted = {}
    for name, tensor in tensors.items():
        module = next((module for module in MODULES if name.startswith(f'{module}.')), None)
        if module is None:
            converted[name] = tensor
            continue
        ours = MODULES[module] + name.removeprefix(module)
        if name == 'head.cca.gamma':
            ours, tensor = f'{ours}.scale', tensor.squeeze()
        elif name.endswith('.weight') and f'{name.removesuffix("weight")}running_mean' in tensors:
            tensor = tensor.abs() + ABN_EPSILON
        converted[ours] = tensor
    return converted


def _current_name(name: str) -> str:
    for old, new in FIRST_RELEASE.items():
        name = name.replace(old, new, 1) if name.startswith(old) else name
    return name
