_base_ = './segformer_mit-b0.py'

model = dict(
    pretrained='mit-b1',
    backbone=dict(embed_dims=64, num_layers=[2, 2, 2, 2]),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
