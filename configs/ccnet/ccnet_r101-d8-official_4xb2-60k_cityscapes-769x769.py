# CCNet (arXiv 1811.11721) with the layers of the official code, for its checkpoints: see docs/ccnet.md.
# 71.29 M parameters, 2284.00 GMACs at 1024x2048. Not run here.
# python tools/weights/convert.py configs/ccnet/ccnet_r101-d8-official_4xb2-60k_cityscapes-769x769.py IN.pth OUT.pth
_base_ = './ccnet_r101-d8_4xb2-60k_cityscapes-769x769.py'

leaky_relu = dict(type='LeakyReLU', negative_slope=0.01)  # what InPlaceABN applies
model = dict(
    data_preprocessor=dict(mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0] * 3, bgr_to_rgb=False),
    pretrained=None,
    backbone=dict(stem_channels=128, contract_dilation=False),
    decode_head=dict(act_cfg=leaky_relu),
    auxiliary_head=dict(channels=512, act_cfg=leaky_relu),
)
