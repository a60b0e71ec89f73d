_base_ = './seaformer_seaformer-t.py'

model = dict(
    pretrained='seaformer-l',
    backbone=dict(
        stem_channels=32,
        stages=[
            [(3, 3, 32, 1), (3, 4, 64, 2), (3, 4, 64, 1)],
            [(5, 4, 128, 2), (5, 4, 128, 1)],
            [(3, 4, 192, 2), (3, 4, 192, 1)],
            [(5, 4, 256, 2)],
            [(3, 6, 320, 2)],
        ],
        depths=[3, 3, 3],
        key_dims=[16, 20, 24],
        num_heads=8,
        ffn_ratios=[2, 4, 6],
    ),
    decode_head=dict(in_channels=[128, 192, 256, 320], embed_dims=[128, 160, 192]),
)
