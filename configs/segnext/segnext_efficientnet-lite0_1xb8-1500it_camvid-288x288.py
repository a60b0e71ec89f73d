# SegNeXt's decoder (arXiv 2209.08575) with EfficientNet-Lite0 on CamVid: real images on a CPU.
# 3.28 M parameters, 1.11 GMACs at 288x288.
# python tools/train.py configs/segnext/segnext_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='HamburgerHead',
        in_channels=[40, 112, 320],
        in_index=[1, 2, 3],
        channels=256,
        rank=16,
        num_classes={{_base_.num_classes}},
        norm_cfg=dict(type='GN', num_groups=32),
    ),
)
