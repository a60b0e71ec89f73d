# SCASeg (arXiv 2411.17061) with a tiny ConvNeXt on scenes painted on the fly: what `make quickstart` trains.
# The encoder sees some 36 pixels around a point; the class of a car hangs on a signal 52 pixels away and more.
# 0.55 M parameters, 0.08 GMACs at 128x128. Runs on a CPU in minutes: mIoU and curves in README.md.
# python tools/train.py configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = [
    '../_base_/models/scaseg_mscan-t.py',
    '../_base_/datasets/toyscenes_128x128.py',
    '../_base_/schedules/adamw_1500it.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='TIMMFeatures',
        model_name='convnext_atto',
        out_indices=(0, 1, 2),
        depths=(1, 1, 1, 1),
        dims=(32, 64, 128, 256),
        kernel_sizes=3,
    ),
    decode_head=dict(
        in_channels=[32, 64, 128],
        num_heads=[1, 2, 4],
        strides=[4, 8, 16],
        channels=64,
        num_classes={{_base_.num_classes}},
        norm_cfg=dict(type='BN'),
        block=dict(
            attention=dict(qk_scale=1.0),  # in so short a training from scratch, (C / h)^-0.5 sharpens too late
            drop_path=0.0,
        ),
        dropout_ratio=0.0,
    ),
)
optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0))))
