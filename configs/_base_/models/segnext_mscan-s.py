_base_ = './segnext_mscan-t.py'

model = dict(
    pretrained='mscan-s',
    backbone=dict(embed_dims=[64, 128, 320, 512], depths=[2, 2, 4, 2]),
    decode_head=dict(in_channels=[128, 320, 512]),
)
