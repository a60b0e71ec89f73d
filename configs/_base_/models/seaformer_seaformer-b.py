_base_ = './seaformer_seaformer-t.py'

model = dict(
    pretrained='seaformer-b',
    backbone=dict(
        stages=[
            [(3, 1, 16, 1), (3, 4, 32, 2), (3, 3, 32, 1)],
            [(5, 3, 64, 2), (5, 3, 64, 1)],
            [(3, 3, 128, 2), (3, 3, 128, 1)],
            [(5, 4, 192, 2)],
            [(3, 6, 256, 2)],
        ],
        depths=[4, 4],
        num_heads=8,
    ),
    decode_head=dict(in_channels=[64, 192, 256], embed_dims=[128, 160]),
)
