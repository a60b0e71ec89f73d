_base_ = './seaformer_seaformer-t.py'

model = dict(
    pretrained='seaformer-s',
    backbone=dict(
        stages=[
            [(3, 1, 16, 1), (3, 4, 24, 2), (3, 3, 24, 1)],
            [(5, 3, 48, 2), (5, 3, 48, 1)],
            [(3, 3, 96, 2), (3, 3, 96, 1)],
            [(5, 4, 160, 2)],
            [(3, 6, 192, 2)],
        ],
        depths=[3, 3],
        num_heads=6,
    ),
    decode_head=dict(in_channels=[48, 160, 192], embed_dims=[96, 128]),
)
