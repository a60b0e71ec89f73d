_base_ = './segnext_mscan-t.py'

model = dict(
    pretrained='mscan-l',
    backbone=dict(embed_dims=[64, 128, 320, 512], depths=[3, 5, 27, 3], drop_path_rate=0.3),
    decode_head=dict(in_channels=[128, 320, 512], channels=1024, hamburger=dict(rank=64)),
)
