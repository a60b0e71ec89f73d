# SegNeXt's decoder (arXiv 2209.08575) on the encoder, the levels and the recipe of the quickstart.
# 0.25 M parameters, 0.08 GMACs at 128x128. Runs on a CPU in minutes.
# python tools/train.py configs/segnext/segnext_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='HamburgerHead',
        in_channels=[32, 64, 128],
        channels=64,
        hamburger=dict(type='Hamburger', rank=16),
        num_classes={{_base_.num_classes}},
        norm_cfg=dict(type='GN', num_groups=32),
        dropout_ratio=0.0,
    ),
)
