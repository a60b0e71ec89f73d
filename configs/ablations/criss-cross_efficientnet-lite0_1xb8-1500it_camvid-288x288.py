# Criss-cross attention (arXiv 1811.11721) in place of SCASeg's decoder: EfficientNet-Lite0 on CamVid, all else equal.
# 4.36 M parameters, 2.47 GMACs at 288x288. Results in docs/ablations.md.
# python tools/train.py configs/ablations/criss-cross_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='RCCAHead',
        in_index=[1, 2, 3],
        in_channels=[40, 112, 320],
        input_transform='resize_concat',
        norm_cfg=dict(type='BN'),
        channels=128,
        num_classes={{_base_.num_classes}},
    )
)
