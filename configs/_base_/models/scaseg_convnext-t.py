_base_ = './scaseg_mscan-t.py'

model = dict(
    pretrained='convnext-t',
    backbone=dict(
        _delete_=True,
        type='TIMMFeatures',
        model_name='convnext_tiny',
        drop_path_rate=0.4,
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768], num_heads=[1, 2, 4, 8]),
)
