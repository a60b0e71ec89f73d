# Hamburger (arXiv 2209.08575) in place of SCASeg's decoder: EfficientNet-Lite0 on CamVid, all else equal.
# 3.07 M parameters, 0.80 GMACs at 288x288. Results in docs/ablations.md.
# python tools/train.py configs/ablations/hamburger_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='HamburgerHead',
        in_index=[1, 2, 3],
        in_channels=[40, 112, 320],
        hamburger=dict(type='Hamburger', rank=16),
        norm_cfg=dict(type='GN', num_groups=32),
        channels=128,
        num_classes={{_base_.num_classes}},
    )
)
