# The encoder and recipe of the quickstart under a linear classifier of each pixel: no context beyond the encoder's.
# 0.22 M parameters, 0.03 GMACs at 128x128. Compared in docs/scaseg.md.
# python tools/train.py configs/ablations/linear_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='FCNHead',
        num_convs=0,
        concat_input=False,
        input_transform='resize_concat',
        in_channels=[32, 64, 128],
        in_index=[0, 1, 2],
        channels=224,
        num_classes={{_base_.num_classes}},
        dropout_ratio=0.0,
    ),
)
