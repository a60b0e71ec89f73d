norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='LeanEncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(512, 512),
    ),
    pretrained='mit-b0',
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=32,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
        sr_ratios=[8, 4, 2, 1],
        drop_path_rate=0.1,
    ),
    decode_head=dict(
        type='SegFormerMLPHead',
        in_channels=[32, 64, 160, 256],
        channels=256,
        num_classes=150,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='BandedCrossEntropyLoss'),
    ),
    test_cfg=dict(mode='whole'),
)
