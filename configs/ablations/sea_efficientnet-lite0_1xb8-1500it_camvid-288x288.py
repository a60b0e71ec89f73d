# SEA attention (arXiv 2301.13156) in place of SCASeg's decoder: EfficientNet-Lite0 on CamVid, all else equal.
# 4.84 M parameters, 0.88 GMACs at 288x288. Results in docs/ablations.md.
# python tools/train.py configs/ablations/sea_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='SEAHead',
        in_channels=[24, 40, 112, 320],
        num_heads=[1, 2, 4, 8],
        norm_cfg=dict(type='BN'),
        channels=128,
        num_classes={{_base_.num_classes}},
    )
)
