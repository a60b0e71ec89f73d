_base_ = './scaseg_mscan-t.py'

model = dict(
    pretrained='swin-t',
    backbone=dict(
        _delete_=True,
        type='TIMMFeatures',
        model_name='swin_tiny_patch4_window7_224',
        drop_path_rate=0.3,
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768], num_heads=[1, 2, 4, 8]),
)
