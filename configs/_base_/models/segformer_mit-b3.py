_base_ = './scaseg_mit-b3.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='SegFormerMLPHead',
        in_channels=[64, 128, 320, 512],
        channels=768,
        num_classes=150,
        norm_cfg={{_base_.norm_cfg}},
        loss_decode=dict(type='BandedCrossEntropyLoss'),
    ),
)
