# SCASeg (arXiv 2411.17061) with EfficientNet-Lite0 on CamVid: real images on a CPU. Results in docs/scaseg.md.
# 4.62 M parameters, 0.88 GMACs at 288x288.
# python tools/train.py configs/scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py
_base_ = [
    '../_base_/models/scaseg_mscan-t.py',
    '../_base_/datasets/camvid_288x288.py',
    '../_base_/schedules/adamw_1500it.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3, size={{_base_.crop_size}}),
    pretrained='efficientnet-lite0',
    backbone=dict(
        _delete_=True,
        type='TIMMFeatures',
        model_name='tf_efficientnet_lite0',
        out_indices=(1, 2, 3, 4),
    ),
    decode_head=dict(
        in_channels=[24, 40, 112, 320],
        num_heads=[1, 2, 4, 8],
        num_classes={{_base_.num_classes}},
        norm_cfg=dict(type='BN'),
    ),
)
