# CCNet's decoder (arXiv 1811.11721) on the encoder and the recipe of the quickstart, dilated to stride 8 as CCNet's.
# 0.45 M parameters, 0.12 GMACs at 128x128. Runs on a CPU in minutes.
# python tools/train.py configs/ccnet/ccnet_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    backbone=dict(out_indices=(2,), output_stride=8),
    decode_head=dict(
        _delete_=True,
        type='RCCAHead',
        in_channels=128,
        channels=64,
        num_classes={{_base_.num_classes}},
        norm_cfg=dict(type='BN'),
        dropout_ratio=0.0,
    ),
)
