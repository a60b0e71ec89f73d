# SegFormer's decoder (arXiv 2105.15203) with EfficientNet-Lite0 on CamVid: real images on a CPU.
# 3.35 M parameters, 1.13 GMACs at 288x288.
# python tools/train.py configs/segformer/segformer_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = '../scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='SegFormerMLPHead',
        in_channels=[24, 40, 112, 320],
        channels=256,
        num_classes={{_base_.num_classes}},
        norm_cfg=dict(type='BN'),
    ),
)
