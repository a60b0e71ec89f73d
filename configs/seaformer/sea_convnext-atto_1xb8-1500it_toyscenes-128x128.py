# The encoder and recipe of the quickstart under SEA attention (SEAHead is our construction, see docs/seaformer.md).
# 0.58 M parameters, 0.08 GMACs at 128x128. Results in docs/ablations.md.
# python tools/train.py configs/seaformer/sea_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='SEAHead',
        in_channels=[32, 64, 128],
        num_heads=[1, 2, 4],
        channels=64,
        num_classes={{_base_.num_classes}},
        block=dict(type='SEABlock', drop_path=0.0),
        dropout_ratio=0.0,
    ),
)
