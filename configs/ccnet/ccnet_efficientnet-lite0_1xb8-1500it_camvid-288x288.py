# CCNet's decoder (arXiv 1811.11721) with EfficientNet-Lite0, dilated to stride 16, on CamVid: real images on a CPU.
# 4.01 M parameters, 1.48 GMACs at 288x288.
# python tools/train.py configs/ccnet/ccnet_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    backbone=dict(out_indices=(4,), output_stride=16),
    decode_head=dict(
        _delete_=True,
        type='RCCAHead',
        in_channels=320,
        channels=128,
        num_classes={{_base_.num_classes}},
        norm_cfg=dict(type='BN'),
    ),
)
