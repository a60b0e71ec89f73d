_base_ = './segvit_vit-b16.py'

model = dict(
    pretrained='vit-l16-augreg',
    backbone=dict(embed_dims=1024, num_layers=24, num_heads=16, out_indices=[7, 15, 23], drop_path_rate=0.3),
    decode_head=dict(in_channels=[1024, 1024, 1024], embed_dims=512, num_heads=16),
)
