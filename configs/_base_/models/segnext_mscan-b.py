_base_ = './segnext_mscan-t.py'

model = dict(
    pretrained='mscan-b',
    backbone=dict(embed_dims=[64, 128, 320, 512], depths=[3, 3, 12, 3]),
    decode_head=dict(in_channels=[128, 320, 512], channels=512, hamburger=dict(rank=64)),
)
